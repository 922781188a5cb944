package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// ours are driftpin's runs on two images.
func (b *bench) ours(a, z string) []subject {
	out := []subject{
		{name: "driftpin drift", commands: [][]string{{b.drift, "drift", a, z}}, finds: true},
		{name: "driftpin inventory, both", commands: [][]string{{b.drift, "inventory", a}, {b.drift, "inventory", z}}},
	}
	if b.old != "" {
		out = slices.Insert(out, 1, subject{name: "driftpin drift, before",
			commands: [][]string{{b.old, "drift", a, z}}, finds: true})
	}
	return out
}

// each runs a command for both images.
func each(images [2]string, command func(image string) []string) (out [][]string) {
	for _, image := range images {
		out = append(out, command(image))
	}
	return out
}

func trivy(source ...string) func(string) []string {
	return func(image string) []string {
		args := []string{"trivy", "image", "-q", "--offline-scan", "--skip-db-update", "--skip-java-db-update",
			"--skip-version-check", "--disable-telemetry",
			"--skip-files", "**/*.jar", "--format", "cyclonedx", "-o", "out.json"}
		return append(append(args, source...), image)
	}
}

func syft(prefix string) func(string) []string {
	return func(image string) []string {
		return []string{"syft", "scan", "-q", prefix + image, "-o", "cyclonedx-json=out.json"}
	}
}

func scalibr(flag string) func(string) []string {
	return func(image string) []string {
		return []string{"scalibr", flag + "=" + image,
			"--plugins=os/dpkg,python/wheelegg,javascript/packagejson,python/condameta", "-o", "cdx-json=out.json"}
	}
}

// containerDiff compares both images in one process.
func containerDiff(images [2]string) [][]string {
	return [][]string{{"container-diff", "diff", images[0], images[1], "-t", "apt", "-t", "pip", "-t", "node", "-j",
		"-n", "-q", "-w", "out.json", "--force"}}
}

var quietSyft = []string{"SYFT_CHECK_FOR_APP_UPDATE=false", "SYFT_REGISTRY_INSECURE_USE_HTTP=true"}

func (b *bench) layouts(ctx context.Context) error {
	for _, images := range b.pairs() {
		a, z := "oci-layout:"+images.dirs[0], "oci-layout:"+images.dirs[1]
		err := b.compare(ctx, "From OCI layouts, "+images.name+", cold", append(b.ours(a, z),
			b.bare(images.dirs[:]...),
			subject{name: "trivy, both to CycloneDX", commands: each(images.dirs, trivy("--input"))},
			subject{name: "syft, both to CycloneDX", commands: each(images.dirs, syft("oci-dir:")), env: quietSyft},
		))
		if err != nil {
			return err
		}
	}
	absent("trivy", "syft")
	return nil
}

// bare is the limit: the layers of both images, read, inflated and hashed, once each.
func (b *bench) bare(images ...string) subject {
	return subject{name: "bare: reading, inflating and hashing the same layers",
		commands: [][]string{append([]string{b.self, bareCommand}, images...)}}
}

func (b *bench) registry(ctx context.Context) error {
	for _, images := range b.pairs() {
		if err := b.registryOf(ctx, images); err != nil {
			return err
		}
	}
	absent("trivy", "syft", "scalibr", "container-diff")
	return nil
}

func (b *bench) registryOf(ctx context.Context, images pair) (err error) {
	host, stop, err := b.serve(images.dirs)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	var refs [2]string
	for i, dir := range images.dirs {
		refs[i] = host + "/hub/" + filepath.Base(dir) + ":1"
	}
	return b.compare(ctx, "From a registry on loopback, "+images.name+", cold", append(b.ours(refs[0], refs[1]),
		b.bare(refs[:]...),
		subject{name: "trivy, both to CycloneDX", commands: each(refs, trivy("--image-src", "remote"))},
		subject{name: "syft, both to CycloneDX", commands: each(refs, syft("registry:")), env: quietSyft},
		subject{name: "osv-scalibr, both", commands: each(refs, scalibr("--remote-image"))},
		subject{name: "container-diff", commands: containerDiff([2]string{"remote://" + refs[0],
			"remote://" + refs[1]})},
	))
}

func (b *bench) archives(ctx context.Context) error {
	for _, images := range b.pairs() {
		var files [2]string
		for i, dir := range images.dirs {
			files[i] = filepath.Join(b.work, filepath.Base(dir)+".tar")
			if err := writeArchive(dir, files[i]); err != nil {
				return err
			}
		}
		err := b.compare(ctx, "From docker archives whose layers are not compressed, "+images.name+", cold",
			append(b.ours("docker-archive:"+files[0], "docker-archive:"+files[1]),
				subject{name: "trivy, both to CycloneDX", commands: each(files, trivy("--input"))},
				subject{name: "syft, both to CycloneDX", commands: each(files, syft("docker-archive:")),
					env: quietSyft},
				subject{name: "osv-scalibr, both", commands: each(files, scalibr("--image-tarball"))},
				subject{name: "container-diff", commands: containerDiff(files)},
			))
		if err := errors.Join(err, os.Remove(files[0]), os.Remove(files[1])); err != nil {
			return err
		}
	}
	return nil
}

// again is what there is to be had the second time, and with little that is new.
func (b *bench) again(ctx context.Context) error {
	images := [2]string{filepath.Join(b.dir, "a"), filepath.Join(b.dir, "b")}
	a, z := "oci-layout:"+images[0], "oci-layout:"+images[1]
	top := filepath.Join(b.work, "top")
	if err := withTop(images[1], top); err != nil {
		return err
	}
	carrying, err := b.carrying(ctx, images)
	if err != nil {
		return err
	}
	home, cache := filepath.Join(b.work, "warm"), filepath.Join(b.work, "trivy")
	warm := []string{"DRIFTPIN_HOME=" + home}
	drift := func(a, z string) [][]string { return [][]string{{b.drift, "drift", a, z}} }
	known := func() error { // of a and z, and of nothing else
		return b.fresh(ctx, home, a, z)
	}
	subjects := []subject{
		{name: "driftpin drift, the second time", commands: drift(a, z), env: warm, finds: true, prepare: known},
		{name: "driftpin drift, a new layer of 30 MB on top", commands: drift(z, "oci-layout:"+top), env: warm,
			finds: true, prepare: known},
		{name: "driftpin drift, images that carry their inventory, without a cache",
			commands: drift(carrying[0], carrying[1]), finds: true},
		{name: "driftpin drift, an image and itself, without a cache", commands: drift(a, a)},
		{name: "trivy, the second time, both", commands: each(images, trivy("--cache-dir", cache, "--input"))},
	}
	if _, _, err := (&bench{runs: 1, work: b.work}).measure(ctx, subjects[4]); err != nil {
		return err
	}
	return b.compare(ctx, "The second time, and with little that is new, from OCI layouts", subjects)
}

// curve is how the cost grows with the number of images on one base.
func (b *bench) curve(ctx context.Context) error {
	fmt.Printf("\n**A matrix of n images on one base (%s), each with a layer of 30 MB of its own, cold**\n\n"+
		"| images | seconds | CPU seconds | MB of memory | MB of layers, unique | MB of layers, in all |\n"+
		"|--:|--:|--:|--:|--:|--:|\n", "image a")
	refs, base, own, err := b.family(20)
	if err != nil {
		return err
	}
	for _, n := range []int{2, 5, 10, 20} {
		f, _, err := b.measure(ctx, subject{name: "matrix",
			commands: [][]string{append([]string{b.drift, "drift"}, refs[:n]...)}, finds: true})
		if err != nil {
			return err
		}
		fmt.Printf("| %d | %.2f | %.2f | %d | %d | %d |\n", n, f.seconds, f.cpu, f.memory>>20,
			(base+int64(n)*own)>>20, int64(n)*(base+own)>>20)
	}
	return nil
}
