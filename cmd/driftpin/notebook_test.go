package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestNotebooks builds courses whose checks are notebooks.
func TestNotebooks(t *testing.T) {
	t.Parallel()
	newLab(t).notebooks()
}

// notebook is one of Jupyter's, with cells of code (nbformat's documentation, "The
// Notebook file format").
func (l *lab) notebook(kernel string, cells ...string) string {
	l.t.Helper()
	all := []map[string]any{{"cell_type": "markdown", "metadata": map[string]any{}, "source": "# Text"}}
	for _, c := range cells {
		all = append(all, map[string]any{"cell_type": "code", "metadata": map[string]any{}, "source": c,
			"outputs": []any{}, "execution_count": nil})
	}
	data, err := json.Marshal(map[string]any{"cells": all, "nbformat": 4, "nbformat_minor": 4, "metadata": map[string]any{
		"kernelspec": map[string]string{"name": kernel, "display_name": kernel, "language": "python"}}})
	return string(l.must(data, err))
}

func (l *lab) notebooks() {
	const pinsYAML = "course: COURSE\nbase: oci-layout:../base\npins:\n  pip: [PINS]\nchecks:\n" +
		"  - python -c 'print(1)'\n  - {notebook: notebook.ipynb}\n"
	course := func(name, pins, notebook string) {
		l.write(name+"/pins.yaml", strings.NewReplacer("COURSE", name, "PINS", pins).Replace(pinsYAML))
		l.write(name+"/notebook.ipynb", notebook)
	}
	const kernel = "nbclient==0.10.0, ipykernel==6.29.5, idna==3.3"
	course("passes", kernel, l.notebook("python3", "import idna", "print(idna.__version__)"))
	l.write("passes/image-tests/more.ipynb", l.notebook("python3", "assert idna.__version__ == '3.4'"))
	l.run("home1", "lock", "passes")
	// That of image-tests, which nobody imports idna in, fails, and nothing is exported.
	l.fails(4, "image-tests/more.ipynb: code cell 1 fails: NameError: name 'idna' is not defined", "build", "passes",
		"--output", "oci-layout:passes-image")
	l.write("passes/image-tests/more.ipynb", l.notebook("python3", "x = 1", "assert x == 1"))
	_, said, err := l.output("home1", "build", "passes", "--progress", "plain", "--output", "oci-layout:passes-image")
	if err != nil || !strings.Contains(said, "image-tests/more.ipynb: 2 code cells run") {
		l.t.Errorf("%v: %s", err, said)
	}

	course("fails", kernel, l.notebook("python3", "x = 1", "y = x / 0"))
	l.run("home1", "lock", "fails")
	l.fails(4, "notebook.ipynb: code cell 2 fails: ZeroDivisionError: division by zero\n    y = x / 0", "build", "fails",
		"--output", "oci-layout:no")
	l.write("fails/notebook.ipynb", l.notebook("ir", "1"))
	l.fails(4, "the image has no kernel ir: pin its package", "build", "fails", "--output", "oci-layout:no")
	l.write("fails/notebook.ipynb", "{")
	l.fails(4, "notebook.ipynb: it is not a notebook", "build", "fails", "--output", "oci-layout:no")
	course("bare", "idna==3.3", l.notebook("python3", "1"))
	l.run("home1", "lock", "bare")
	l.fails(4, "notebook.ipynb: the image has no nbformat: to check notebooks, pin nbclient", "build", "bare", "--output",
		"oci-layout:no")
}
