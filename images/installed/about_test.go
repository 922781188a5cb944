package installed_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/driftpin/driftpin/images/installed"
	"github.com/google/go-cmp/cmp"
)

// packagesOf is the inventory of files.
func packagesOf(t *testing.T, files map[string]string) map[string]installed.Package {
	t.Helper()
	facts := installed.Facts{}
	for name, text := range files {
		fact, err := installed.Read(name, int64(len(text)), strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		facts[name] = fact
	}
	packages, err := installed.Packages(facts)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]installed.Package{}
	for _, p := range packages {
		found[string(p.Kind)+" "+p.Name] = p
	}
	return found
}

// What packages say of themselves is read where each manager keeps it.
func TestAbout(t *testing.T) {
	const site = "opt/env/lib/python3.11/site-packages/"
	found := packagesOf(t, map[string]string{
		site + "new-1.dist-info/METADATA": "Name: new\nVersion: 1\nLicense-Expression: BSD-3-Clause\nLicense: other\n" +
			"Project-URL: Source Code, https://new.example/src\nProject-URL: Change Log, https://new.example/log\n\nText\n",
		site + "new-1.dist-info/RECORD": "new/a.py,sha256=x,1000\n\"new/b,c.py\",sha256=x,200\n" +
			"\"new/b,d.py\",sha256=x,34\nnew/a.pyc,,\n77\n" +
			"new-1.dist-info/RECORD,,\r\n",
		site + "old-1.dist-info/METADATA": "Name: old\nVersion: 1\nLicense: Copyright (c) 2010\n " + strings.Repeat("All rights. ", 20) +
			"\nHome-page: https://old.example\nClassifier: License :: OSI Approved :: MIT License\n" +
			"Classifier: License :: OSI Approved\nClassifier: Topic :: License\n",
		site + "dual-1.dist-info/METADATA": "Name: dual\nVersion: 1\nLicense: Dual License\n" +
			"Classifier: License :: OSI Approved :: BSD License\nClassifier: License :: Other/Proprietary License\n",
		site + "held-1.dist-info/METADATA":  "Name: held\nVersion: 1\nLicense: Copyright 2015-2025 Foo\n",
		site + "long-1.dist-info/METADATA":  "Name: long\nVersion: 1\nLicense: Proprietary" + strings.Repeat(" words", 40) + "\n",
		site + "twice-1.dist-info/METADATA": "Name: twice\nVersion: 1\n",
		site + "twice-1.dist-info/RECORD":   "a.py,sha256=x,1000\na.py,sha256=x,1000\nb.py,sha256=x,\"30\"\nc.py,,-5\n",
		site + "bad-1.dist-info/METADATA": "Name: bad\nVersion: 1\nLicense: UNKNOWN\nHome-page: javascript:alert(1)\n" +
			"Project-URL: Changelog, https://user:secret@bad.example/x\nProject-URL: Home, https://bad.example/`|<b>\n",
		"opt/conda/conda-meta/numpy-1.26-0.json": `{"name":"numpy","version":"1.26","build":"0","license":"BSD-3-Clause",` +
			`"files":["lib/python3.11/site-packages/numpy-1.26.dist-info/METADATA"],` +
			`"paths_data":{"paths":[{"size_in_bytes":70},{"size_in_bytes":7},{"size_in_bytes":-1},{}]}}`,
		"opt/conda/lib/python3.11/site-packages/numpy-1.26.dist-info/METADATA": "Name: numpy\nVersion: 1.26\n" +
			"Project-URL: Release Notes, https://numpy.example/notes\nHome-page: https://numpy.example\n",
		"var/lib/dpkg/status": "Package: jq\nVersion: 1.6\nStatus: install ok installed\nInstalled-Size: 100\n" +
			"Homepage: https://jq.example/\n",
		"srv/node_modules/old/package.json": `{"name":"old","version":"1","licenses":[{"type":"MIT"},{"type":"GPL-2.0"}]}`,
		"srv/node_modules/x/package.json": `{"name":"x","version":"1","license":{"type":"ISC"},` +
			`"repository":{"url":"git+https://x.example/x.git"}}`,
		"usr/lib/R/library/xts/DESCRIPTION": "Package: xts\nVersion: 0.1\nLicense: GPL (>= 2)\n" +
			"URL: https://xts.example,\n  https://two.example\nBuilt: R 4.2.2\n",
	})
	want := map[string]installed.About{
		"pip new":     {Size: 1234, License: "BSD-3-Clause", Home: "https://new.example/src", Changes: "https://new.example/log"},
		"pip old":     {License: "MIT License", Home: "https://old.example"},
		"pip bad":     {},
		"pip dual":    {License: "BSD License, Other/Proprietary License"},
		"pip held":    {},
		"pip long":    {License: "Proprietary" + strings.Repeat(" words", 14) + " wor…"},
		"pip twice":   {Size: 1030},
		"conda numpy": {Size: 77, License: "BSD-3-Clause", Home: "https://numpy.example", Changes: "https://numpy.example/notes"},
		"deb jq":      {Size: 102400, Home: "https://jq.example/"},
		"npm old":     {License: "MIT OR GPL-2.0"},
		"npm x":       {License: "ISC", Home: "https://x.example/x"},
		"r xts":       {License: "GPL (>= 2)", Home: "https://xts.example"},
	}
	for name, about := range want {
		if diff := cmp.Diff(about, found[name].About); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	var read installed.About
	if err := json.Unmarshal([]byte(`{"size":-3,"license":"a\nb","home":"javascript:alert(1)"}`), &read); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(installed.About{License: "a"}, read); diff != "" {
		t.Errorf("what others wrote down (-want +got):\n%s", diff)
	}
}

// A licence has changed only where the words say something else, not where one says less.
func TestSameLicense(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"MIT License", "MIT", true},
		{"MIT + file LICENSE", "MIT", true},
		{"BSD License", "BSD-3-Clause", true},
		{"New BSD", "BSD-3-Clause", true},
		{"Apache Software License", "Apache-2.0", true},
		{"GPL-2.0", "GPL-2.0-only", true},
		{"GPLv2", "GPL-2.0", true},
		{"GNU General Public License v3 (GPLv3)", "GPL-3.0-only", true},
		{"GNU General Public License v2 or later (GPLv2+)", "GPL-2.0-or-later", true},
		{"GPL (>= 2)", "GPL-2.0-or-later", true},
		{"Mozilla Public License 2.0 (MPL 2.0)", "MPL-2.0", true},
		{"Python Software Foundation License", "PSF-2.0", true},
		{"ISC License (ISCL)", "ISC", true},
		{"BSD License, Apache Software License", "Apache-2.0 OR BSD-3-Clause", true},
		{"(MIT OR Apache-2.0)", "Apache-2.0 OR MIT", true},
		{"Apache License, Version 2.0", "Apache-2.0", true},
		{"Apache License, Version 2.0", "Apache Software License", true},
		{"BSD, 3-clause", "BSD-3-Clause", true},
		{"MIT/X11", "MIT", true},
		{"http://www.apache.org/licenses/LICENSE-2.0", "Apache-2.0", true},
		{"GPL-2.0-only OR GPL-2.0-or-later", "GPL-2.0-or-later OR GPL-2.0-only", true},
		{"BSD License, MIT License", "MIT OR BSD-3-Clause", true},
		{"MIT", "MIT-CMU", false},
		{"MIT OR Apache-2.0 AND BSD-3-Clause", "MIT AND Apache-2.0 OR BSD-3-Clause", false},
		{"", "MIT", false},
		{"MIT", "MIT-0", false},
		{"MPL-1.1", "MPL-1.0", false},
		{"Apache-1.1", "Apache-1.0", false},
		{"OSL-1.1", "OSL-1.0", false},
		{"LGPL-2.1", "LGPL-2", false},
		{"GPL (>= 2)", "GPL-2", false},
		{"GPL-2", "GPL-2 | GPL-3", false},
		{"GPL-2.0", "GPL-3.0", false},
		{"GPL-2.0-only", "GPL-2.0-or-later", false},
		{"LGPL-3.0", "GPL-3.0", false},
		{"GPL-3.0", "AGPL-3.0", false},
		{"MIT", "MIT AND GPL-3.0", false},
		{"MIT OR GPL-3.0", "MIT AND GPL-3.0", false},
		{"BSD", "BSD, MIT", false},
		{"BSD-2-Clause", "BSD-3-Clause", false},
		{"Apache-2.0", "Apache-2.0 WITH LLVM-exception", false},
		{"BSD-3-Clause", "MIT", false},
		{"Dual License", "BSD-3-Clause", false},
		{"MIT", "Proprietary software of FooCorp", false},
	} {
		if installed.SameLicense(c.a, c.b) != c.same || installed.SameLicense(c.b, c.a) != c.same {
			t.Errorf("SameLicense(%q, %q) is not %v", c.a, c.b, c.same)
		}
	}
}

// Whatever names of licences are, each means the same as itself, and the order does not matter.
func FuzzSameLicense(f *testing.F) {
	f.Add("MIT OR GPL (>= 2) | file LICENSE", "BSD License, Version 3-clause & x")
	f.Add("(Apache-2.0 WITH LLVM-exception)/+", "http://a/LICENSE-2.0,,2.0")
	f.Fuzz(func(t *testing.T, a, b string) {
		if !installed.SameLicense(a, a) || installed.SameLicense(a, b) != installed.SameLicense(b, a) {
			t.Errorf("%q and %q: not the same the other way round", a, b)
		}
	})
}
