package installed

import (
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/driftpin/driftpin/pins"
)

var labExtension = regexp.MustCompile(`^(|.*/)share/jupyter/labextensions/(?:@[^/]+/)?[^/@]+$`)

// isLabExtension matches a prebuilt extension of JupyterLab.
func isLabExtension(dir, base string) bool {
	return base == "package.json" && labExtension.MatchString(dir)
}

func labPackages(name string, facts Facts) ([]Package, error) {
	return facts[name].packages(pins.LabExtension,
		"/"+strings.TrimSuffix(labExtension.FindStringSubmatch(path.Dir(name))[1], "/")), nil
}

var serverConfig = regexp.MustCompile(`^(|.*/)etc/jupyter/jupyter_(?:server|notebook)_config\.d$`)

// isServerConfig matches the files that switch extensions of the server on.
func isServerConfig(dir, base string) bool {
	return strings.HasSuffix(base, ".json") && !strings.HasPrefix(base, ".") && serverConfig.MatchString(dir)
}

func readServerConfig(name string, data []byte) (f Fact, err error) {
	config, err := readObject(data)
	if err != nil {
		return unreadable(name), nil
	}
	for of, extensions := range map[string]object{"": config.object("ServerApp").object("jpserver_extensions"),
		" (notebook)": config.object("NotebookApp").object("nbserver_extensions")} {
		for _, name := range slices.Sorted(maps.Keys(extensions)) {
			state := "disabled"
			if truthy(extensions[name]) {
				state = "enabled"
			}
			f.Items = append(f.Items, Item{Name: name + of, Version: state})
		}
	}
	slices.SortFunc(f.Items, func(a, b Item) int { return strings.Compare(a.Name, b.Name) })
	return f, nil
}

// unreadable is the fact of a file, or of a kernel's folder, that Jupyter can't
// read either, and passes over.
func unreadable(name string) Fact {
	return Fact{Items: []Item{{Name: strings.TrimSuffix(path.Base(name), ".json"), Version: "unreadable",
		Detail: pins.Detail{State: "unreadable"}}}}
}

func serverPackages(name string, facts Facts) ([]Package, error) {
	return facts[name].packages(pins.ServerExtension,
		"/"+strings.TrimSuffix(serverConfig.FindStringSubmatch(path.Dir(name))[1], "/")), nil
}

var kernel = regexp.MustCompile(`^(|.*/)share/jupyter/kernels/([^/]+)$`)

// isKernel matches a kernelspec.
func isKernel(dir, base string) bool {
	return base == "kernel.json" && kernel.MatchString(dir)
}

// readKernel reads a kernelspec: its version is what people see, and its build
// is the command.
func readKernel(name string, data []byte) (Fact, error) {
	spec, err := readObject(data)
	if err != nil {
		return unreadable(path.Dir(name)), nil
	}
	return item(path.Base(path.Dir(name)), spec.text("display_name"),
		pins.Detail{Build: strings.Join(spec.texts("argv"), " ")}, About{}), nil
}

func kernelPackages(name string, facts Facts) ([]Package, error) {
	return facts[name].packages(pins.Kernel,
		"/"+strings.TrimSuffix(kernel.FindStringSubmatch(path.Dir(name))[1], "/")), nil
}
