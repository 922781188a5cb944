package steps

import (
	"archive/zip"
	"bytes"
	"cmp"
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/driftpin/driftpin/pins"
	gocmp "github.com/google/go-cmp/cmp"
)

// A bench runs a step's script in a folder, with programs that stand for those
// that the script calls.
type bench struct {
	t   *testing.T
	dir string
	env []string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	dir := t.TempDir()
	return &bench{t, dir, []string{"PATH=" + filepath.Join(dir, "bin") + ":/usr/sbin:/usr/bin:/sbin:/bin",
		"LC_ALL=C.UTF-8", "HOME=" + dir,
		"SOURCE_DATE_EPOCH=1577836800", "PYTHONDONTWRITEBYTECODE=1", "PYTHONHASHSEED=0"}}
}

// needs skips the test where a program is missing; where CI was meant to run it, it
// fails.
func (b *bench) needs(program string) {
	b.t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		if os.Getenv("DRIFTPIN_REQUIRE_NET") != "" {
			b.t.Fatal(err)
		}
		b.t.Skip(err)
	}
}

// write writes a file, which can be run if it begins with #!.
func (b *bench) write(name, text string) string {
	b.t.Helper()
	file := filepath.Join(b.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		b.t.Fatal(err)
	}
	mode := fs.FileMode(0o644)
	if strings.HasPrefix(text, "#!") {
		mode = 0o755
	}
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		b.t.Fatal(err)
	}
	return file
}

func (b *bench) read(name string) string {
	b.t.Helper()
	data, err := os.ReadFile(filepath.Join(b.dir, name))
	if err != nil {
		b.t.Fatal(err)
	}
	return string(data)
}

// script is a step's script in the bench, with paths that it has to itself in a
// step replaced by others.
func (b *bench) script(name string, paths ...string) string {
	b.t.Helper()
	text, err := scripts.ReadFile(name)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.write("scripts/"+name, strings.NewReplacer(paths...).Replace(string(text)))
}

// run runs a command and returns what it says.
func (b *bench) run(args ...string) (string, error) {
	b.t.Helper()
	cmd := exec.CommandContext(b.t.Context(), args[0], args[1:]...)
	cmd.Dir, cmd.Env = b.dir, b.env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (b *bench) must(args ...string) {
	b.t.Helper()
	if out, err := b.run(args...); err != nil {
		b.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// zip writes an archive: a wheel, or what stands for a conda package.
func (b *bench) zip(name string, files map[string]string) {
	b.t.Helper()
	var data bytes.Buffer
	z := zip.NewWriter(&data)
	for _, file := range slices.Sorted(maps.Keys(files)) {
		w, err := z.Create(file)
		if err == nil {
			_, err = w.Write([]byte(files[file]))
		}
		if err != nil {
			b.t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		b.t.Fatal(err)
	}
	b.write(name, data.String())
}

// environment makes an empty Python environment, and returns its interpreter and
// its site-packages, from the bench's folder.
func (b *bench) environment() (python, site string) {
	b.t.Helper()
	b.needs("python3")
	b.must("python3", "-m", "venv", "--without-pip", "env")
	found, err := filepath.Glob(filepath.Join(b.dir, "env", "lib", "python3*", "site-packages"))
	if err != nil || len(found) != 1 {
		b.t.Fatal(found, err)
	}
	site, err = filepath.Rel(b.dir, found[0])
	if err != nil {
		b.t.Fatal(err)
	}
	return filepath.Join(b.dir, "env", "bin", "python"), site
}

// settled reports files below a folder whose time is not the epoch.
func (b *bench) settled(dir string) (late []string) {
	b.t.Helper()
	err := filepath.WalkDir(filepath.Join(b.dir, dir), func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && !info.ModTime().Equal(pins.Epoch) {
			late = append(late, name+" "+info.ModTime().Format(time.RFC3339))
		}
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return late
}

func equal(t *testing.T, what, want, got string) {
	t.Helper()
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// What a pyproject.toml asks for, what its back end asks for, the wheel, and what
// is read of it; twice the same bytes.
func TestBuildWheel(t *testing.T) {
	b := newBench(t)
	b.needs("python3")
	b.write("src/x-1.0/pyproject.toml", "[build-system]\nrequires = [\"one>=1\"]\nbuild-backend = \"backend\"\n"+
		"backend-path = [\".\"]\n")
	b.write("src/x-1.0/backend.py", `import os, zipfile
def get_requires_for_build_wheel(settings): return ["two"]
def build_wheel(out, settings=None, metadata=None):
    with zipfile.ZipFile(os.path.join(out, "x-1.0-py3-none-any.whl"), "w") as z:
        z.write("backend.py", "x.py") # its time is the source's
        z.writestr(zipfile.ZipInfo("x-1.0.dist-info/METADATA", (2020, 1, 1, 0, 0, 0)),
                   "Name: x\nVersion: 1.0\nRequires-Dist: three; extra == 'y'\n")
    return "x-1.0-py3-none-any.whl"
`)
	b.must("tar", "-czf", "x-1.0.tar.gz", "-C", "src", "x-1.0")
	script := b.script("build-wheel.py", "/build/", b.dir+"/build/")
	var before string
	for _, out := range []string{"first", "second"} {
		b.write(out+"/.keep", "")
		for _, mode := range []string{"requires", "hook", "wheel"} {
			b.must("python3", "-B", script, mode, "x-1.0.tar.gz", "", filepath.Join(b.dir, out))
			want := map[string]string{"requires": `["one>=1"]`, "hook": `["two"]`}[mode]
			if want != "" {
				equal(t, mode, want, b.read(out+"/requires.json"))
			}
		}
		wheel := b.read(out + "/x-1.0-py3-none-any.whl")
		if before = cmp.Or(before, wheel); wheel != before {
			t.Error("the second wheel has other bytes")
		}
	}
	b.must("python3", "-B", script, "describe", filepath.Join(b.dir, "first"), b.dir)
	var d struct {
		File, Name, Version string
		Requires            []string
		Size                int
	}
	if err := json.Unmarshal([]byte(b.read("wheel.json")), &d); err != nil {
		t.Fatal(err)
	}
	if d.File != "x-1.0-py3-none-any.whl" || d.Name != "x" || d.Version != "1.0" || d.Size != len(before) ||
		len(d.Requires) != 1 {
		t.Errorf("described as %+v", d)
	}
}

// A source without pyproject.toml is built as PEP 517 says.
func TestBuildSystemDefaults(t *testing.T) {
	b := newBench(t)
	b.needs("python3")
	b.write("src/setup.py", "")
	b.must("tar", "-cf", "tree.tar", "-C", "src", "setup.py")
	b.must("python3", "-B", b.script("build-wheel.py", "/build/", b.dir+"/build/"), "requires", "tree.tar", "", b.dir)
	equal(t, "requires", `["setuptools>=40.8.0", "wheel"]`, b.read("requires.json"))
}

// fakeUv is a uv that unpacks wheels where they belong.
const fakeUv = `#!/usr/bin/env python3
import os, subprocess, sys, zipfile
python = sys.argv[sys.argv.index("--python") + 1]
site = subprocess.check_output([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True).strip()
for wheel in (a for a in sys.argv if a.endswith(".whl")):
    with zipfile.ZipFile(wheel) as z:
        z.extractall(site)
        info = next(n for n in z.namelist() if n.endswith("/METADATA")).split("/")[0]
    open(site + "/" + info + "/REQUESTED", "w").close()
# An engine links what lies there into another layer meanwhile.
if os.path.exists(site + "/foreign.so"):
    os.link(site + "/foreign.so", sys.argv[0] + ".linked")
`

// What is installed has bytecode, true records, its origin, and one time; a wheel
// with rows that are none is mended.
func TestPipInstall(t *testing.T) {
	b := newBench(t)
	python, site := b.environment()
	b.zip("wheels/good-1.0-py3-none-any.whl", map[string]string{"good.py": "x = 1\n",
		"template.py":                 "{% not Python %}\n",
		"good-1.0.dist-info/METADATA": "Name: good\n",
		"good-1.0.dist-info/RECORD": "good.py,sha256=wrong,6\ntemplate.py,,\ngood-1.0.dist-info/METADATA,,\n" +
			"good-1.0.dist-info/RECORD,,\n"})
	b.write("wheels/good-1.0-py3-none-any.whl.direct_url.json", `{"url": "x"}`)
	b.zip("wheels/odd-1.0-py3-none-any.whl", map[string]string{"odd/a,b.txt": "x",
		"odd-1.0.dist-info/METADATA": "Name: odd\n",
		"odd-1.0.dist-info/RECORD": "odd/a,b.txt,sha256=x,1\nodd-1.0.dist-info/METADATA,,\n" +
			"odd-1.0.dist-info/RECORD,,\n"})
	packed := time.Unix(1600000000, 0)
	foreign := b.write(site+"/foreign.so", "of another layer")
	if err := os.Chtimes(foreign, packed, packed); err != nil {
		t.Fatal(err)
	}
	out, err := b.run(python, "-B", b.script("pip-install.py"), b.write("bin/uv", fakeUv),
		filepath.Join(b.dir, "wheels"))
	if info, err := os.Stat(foreign); err != nil || !info.ModTime().Equal(packed) {
		t.Errorf("a file of another layer was touched: %v, %v", info.ModTime(), err)
	}
	if err != nil || !strings.Contains(out, "warning: the RECORD of odd-1.0-py3-none-any.whl") {
		t.Fatalf("%v\n%s", err, out)
	}
	record := b.read(site + "/good-1.0.dist-info/RECORD")
	for _, want := range []string{"__pycache__/good.cpython-", "\ngood.py,sha256=",
		"good-1.0.dist-info/direct_url.json,sha256="} {
		if !strings.Contains("\n"+record, want) {
			t.Errorf("RECORD has no %q:\n%s", want, record)
		}
	}
	for _, unwanted := range []string{"wrong", "REQUESTED", "__pycache__/template"} {
		if strings.Contains(record, unwanted) {
			t.Errorf("RECORD has %q:\n%s", unwanted, record)
		}
	}
	if !strings.Contains(b.read(site+"/odd-1.0.dist-info/RECORD"), "\"odd/a,b.txt\",sha256=") {
		t.Error("the odd RECORD was not mended")
	}
	if late := b.settled(site + "/good-1.0.dist-info"); len(late) > 0 {
		t.Errorf("not of the epoch: %v", late)
	}
}

// What an environment holds, and what its packages own.
func TestBaseHolds(t *testing.T) {
	b := newBench(t)
	python, site := b.environment()
	b.write(site+"/Some_Lib-1.0.dist-info/METADATA",
		"Metadata-Version: 2.1\nName: Some.Lib\nVersion: 1.0\nRequires-Dist: needed\nRequires-Dist: more; extra "+
			"== 'x'\nProvides-Extra: x\n")
	b.write(site+"/Some_Lib-1.0.dist-info/RECORD",
		"some/__init__.py,sha256=a,1\nsome/x.pyc,sha256=b,1\n../../../bin/tool,sha256=c,1\n")
	b.write(site+"/Some_Lib-1.0.dist-info/entry_points.txt", "[console_scripts]\ntool = some : main\n")
	b.write("env/conda-meta/hello.json",
		`{"name": "hello", "version": "2", "paths_data": {"paths": [{"_path": "bin/hello", "sha256": "00ff"},`+
			` {"_path": "lib/python3.11/site-packages/x.py", "sha256": "00"}]}}`)
	b.write("env/lib/node_modules/speak/package.json", `{"name": "speak", "version": "3"}`)
	b.write("env/lib/node_modules/speak/cli.js", "")
	if err := os.Symlink("../lib/node_modules/speak/cli.js", filepath.Join(b.dir, "env", "bin", "speak")); err != nil {
		t.Fatal(err)
	}
	b.write("out/.keep", "")
	b.must(python, "-IB", b.script("base-holds.py"), filepath.Join(b.dir, "out"))
	equal(t, "provides.tsv", "Some.Lib\t1.0\n", b.read("out/provides.tsv"))
	equal(t, "owned.tsv", "conda\thello\t2\tbin/hello\tsha256=AP8\nnpm\tspeak\t3\tbin/speak\truns speak/cli.js\n"+
		"npm\tspeak\t3\tlib/node_modules/speak/package.json\tnpm speak 3\n"+
		"pip\tSome.Lib\t1.0\tbin/tool\tcalls some:main\n"+
		"pip\tSome.Lib\t1.0\tsite-packages/some/__init__.py\tsha256=a\n", b.read("out/owned.tsv"))
	stand := b.read("out/Some_Lib-1.0-py3-none-any.whl")
	if !strings.Contains(stand, "Requires-Dist: more; extra == 'x'") || strings.Contains(stand, "needed") {
		t.Error("what stands for it requires something else than its extras do")
	}
}

// fakeRattler is a rattler whose packages are zip archives, with conda-meta in them.
var fakeRattler = map[string]string{
	"rattler/__init__.py": `import zipfile
class _Any:
    def __init__(self, *args): self.args = args
class _Name:
    normalized = "any"
BuildString = PackageName = PackageRecord = Subdir = VersionWithSource = _Any
class RepoDataRecord(_Any):
    name = _Name()
    @classmethod
    async def from_package_archive(cls, archive): return cls(archive)
async def install(records, target, **options):
    with zipfile.ZipFile(records[0].args[0]) as z: z.extractall(target)
`,
	"rattler/package_streaming.py": `import zipfile
def extract(archive, folder):
    with zipfile.ZipFile(archive) as z: z.extractall(folder)
`,
}

func (b *bench) rattler() {
	for name, text := range fakeRattler {
		b.write("fake/"+name, text)
	}
	b.env = append(b.env, "PYTHONPATH="+filepath.Join(b.dir, "fake"))
}

func condaRecord(name string, files ...string) string {
	var paths []map[string]string
	for _, f := range files {
		paths = append(paths, map[string]string{"_path": f})
	}
	return string(JSON(map[string]any{"name": name, "version": "1", "subdir": "linux-64", "fn": name + "-1-0.conda",
		"files": files,
		"link":  map[string]string{"source": "/home/somebody"}, "paths_data": map[string]any{"paths": paths}}))
}

// Packages are laid out as in an environment: the later by name wins, what is
// replaced is left out, and the record says nothing of this installation.
func TestCondaInstall(t *testing.T) {
	b := newBench(t)
	b.needs("python3")
	b.rattler()
	site := "lib/python3.11/site-packages/"
	b.zip("packages/a-1-0.conda", map[string]string{"share/both": "a", "bin/old": "#!x",
		site + "idna/__init__.py": "", site + "idna-1.dist-info/METADATA": "Name: idna\n",
		site + "idna-1.dist-info/entry_points.txt": "[console_scripts]\nold = idna:main\n",
		site + "idna-1.dist-info/RECORD":           "idna/__init__.py,,\nidna-1.dist-info/METADATA,,\n/etc/passwd,,\n",
		"conda-meta/a-1-0.json":                    condaRecord("a", "share/both", "bin/old", site+"idna/__init__.py")})
	b.zip("packages/b-1-0.conda", map[string]string{"share/both": "b",
		"conda-meta/b-1-0.json": condaRecord("b", "share/both")})
	b.write("packages/lock.json", `{"python": "", "channels": {"a-1-0.conda": "main", "b-1-0.conda": "main"},`+
		` "replaced": {"a-1-0.conda": ["idna", "?absent"]}}`)
	b.write("layer/.keep", "")
	b.must("rm", "layer/.keep")
	b.must("python3", "-B", b.script("conda-install.py"), filepath.Join(b.dir, "packages"), "/opt/env",
		filepath.Join(b.dir, "layer"))
	equal(t, "the path of both", "b", b.read("layer/opt/env/share/both"))
	for _, gone := range []string{"bin/old", site + "idna", site + "idna-1.dist-info"} {
		if _, err := os.Lstat(filepath.Join(b.dir, "layer/opt/env", gone)); err == nil {
			t.Errorf("%s is there", gone)
		}
	}
	record := b.read("layer/opt/env/conda-meta/a-1-0.json")
	if !strings.Contains(record, `"url": "https://conda.invalid/main/linux-64/a-1-0.conda"`) ||
		strings.Contains(record, "somebody") || strings.Contains(record, "idna") {
		t.Errorf("the record says %s", record)
	}
	if late := b.settled("layer"); len(late) > 0 {
		t.Errorf("not of the epoch: %v", late)
	}
	b.write("packages/lock.json", `{"python": "", "channels": {"a-1-0.conda": "main", "b-1-0.conda": "main"},`+
		` "replaced": {"b-1-0.conda": ["absent"]}}`)
	if out, err := b.run("python3", "-B", b.script("conda-install.py"), filepath.Join(b.dir, "packages"), "/opt/env",
		filepath.Join(b.dir, "layer")); err == nil ||
		!strings.Contains(out, "there is no Python distribution absent with a RECORD that could be left out") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestCondaProvides(t *testing.T) {
	b := newBench(t)
	b.needs("python3")
	b.rattler()
	b.zip("packages/a-1-0.conda",
		map[string]string{"lib/python3.11/site-packages/Some_Lib-1.dist-info/METADATA": "Name: Some.Lib\nVersion: " +
			"1\n", "lib/python3.11/site-packages/Some_Lib-1.dist-info/RECORD": "",
			"lib/python3.11/site-packages/old.egg-info": "Name: old\nVersion: 2\n"})
	b.write("out/.keep", "")
	b.must("python3", "-B", b.script("conda-provides.py"), filepath.Join(b.dir, "packages"),
		filepath.Join(b.dir, "out"), "old")
	equal(t, "provides.tsv", "Some.Lib\t1\ta-1-0.conda\trecorded\nold\t2\ta-1-0.conda\t\n", b.read("out/provides.tsv"))
	if _, err := os.Stat(filepath.Join(b.dir, "out", "Some_Lib-1-py3-none-any.whl")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(b.dir, "out", "old-2-py3-none-any.whl")); err == nil {
		t.Error("a wheel stands for what is replaced")
	}
	b.write("packages/b-1-0.conda", "no archive")
	if out, err := b.run("python3", "-B", b.script("conda-provides.py"), filepath.Join(b.dir, "packages"),
		filepath.Join(b.dir, "out"), ""); err == nil || !strings.Contains(out, "b-1-0.conda can't be unpacked: ") {
		t.Errorf("%v: %s", err, out)
	}
}

// fakeApt stands for apt: git and libc6 can be installed, of which libc6 is there.
func (b *bench) fakeApt() {
	const stanzas = `Package: git
Version: 1:2.39-1
Architecture: amd64
Depends: libc6 (>= 2), perl
Pre-Depends: dpkg
Provides: git-core
Filename: pool/g/git_2.39-1_amd64.deb
Size: 9
SHA256: aaaa

`
	b.write("bin/apt-get", `#!/bin/sh
case " $* " in
*" update "*) ;;
*" --print-uris download "*) echo "'http://deb.test/pool/g/git_2.39-1_amd64.deb' git_1%3a2.39-1_amd64.deb 9 SHA256:aaaa" ;;
*" --simulate "*broken*) echo "The following packages have unmet dependencies:"; exit 100 ;;
*" --simulate "*) echo "Inst git (1:2.39-1 Debian:12 [amd64])" ;;
*" --print-uris "*) echo "'http://deb.test/pool/g/git_2.39-1_amd64.deb' git_1%3a2.39-1_amd64.deb 9 SHA256:aaaa" ;;
esac
`)
	b.write("bin/apt-cache", "#!/bin/sh\ncase $1 in\npkgnames) printf 'git\\nlibc6\\nbroken\\n' ;;\nmadison) echo "+
		"\"$2 | 1:2.39-1 | http://deb.test bookworm/main\" ;;\nshow) cat <<'X'\n"+stanzas+"X\n;;\nesac\n")
	b.write("bin/dpkg-query", "#!/bin/sh\ncase $* in *libc6) printf 'install ok installed\\tlibc6\\t2.36\\n' ;; "+
		"*) exit 1 ;; esac\n")
}

func TestAptResolve(t *testing.T) {
	b := newBench(t)
	b.fakeApt()
	script := b.script("apt-resolve.sh")
	b.must("sh", script, "out", "git=1:2.39-1", "libc6")
	equal(t,
		"debs.tsv",
		"git\t1:2.39-1\tamd64\tpool/g/git_2.39-1_amd64.deb\t9\taaaa\t"+
			"http://deb.test/pool/g/git_2.39-1_amd64.deb\tdpkg, libc6 (>= 2), perl\tgit-core\n", b.read("out/debs.tsv"))
	equal(t, "held.tsv", "libc6\t2.36\n", b.read("out/held.tsv"))
	for pin, want := range map[string]string{"gti": "unknown gti\n", "git=9": "version git 9\n",
		"broken": "The following packages have unmet dependencies:\n"} {
		if out, err := b.run("sh", script, "out", pin); err == nil {
			t.Errorf("%s: %s", pin, out)
		}
		equal(t, pin, want, b.read("out/error.txt"))
	}
}

func TestAptLocate(t *testing.T) {
	b := newBench(t)
	b.fakeApt()
	b.write("specs", "git=1:2.39-1\ngone=1.0\n")
	b.write("out/.keep", "")
	b.write("tmp/.keep", "")
	b.must("sh", b.script("apt-locate.sh", "/tmp", b.dir+"/tmp"), filepath.Join(b.dir, "specs"),
		filepath.Join(b.dir, "out"))
	equal(t, "addresses.tsv", "aaaa\thttp://deb.test/pool/g/git_2.39-1_amd64.deb\tgit=1:2.39-1\n",
		b.read("out/addresses.tsv"))
	b.write("specs", "gone=1.0\n")
	b.must("sh", b.script("apt-locate.sh", "/tmp", b.dir+"/tmp"), filepath.Join(b.dir, "specs"),
		filepath.Join(b.dir, "out"))
	equal(t, "addresses.tsv", "", b.read("out/addresses.tsv"))
}

// uv is asked twice: what, and then which files; where it finds nothing it is
// heard why.
func TestUvResolve(t *testing.T) {
	b := newBench(t)
	b.write("bin/uv", `#!/bin/sh
echo "$*" >>calls
for a; do case $a in impossible) echo "no way" >&2; exit 1 ;; esac; done
while [ $# -gt 0 ]; do [ "$1" = --output-file ] && echo resolved >"$2"; shift; done
`)
	for _, f := range []string{"requirements.in", "preferences.txt", "uv.toml"} {
		b.write("in/"+f, "")
	}
	b.write("in/given.txt", "idna==3.4\n")
	b.write("out/.keep", "")
	script, in, out := b.script("uv-resolve.sh"), filepath.Join(b.dir, "in"), filepath.Join(b.dir, "out")
	b.must("sh", script, filepath.Join(b.dir, "bin", "uv"), "python3", in, out, "--only-binary", ":all:")
	calls := strings.Split(strings.TrimSpace(b.read("in/calls")), "\n")
	if len(calls) != 2 || !strings.Contains(calls[0],
		"--constraint given.txt --find-links /run/driftpin/given --output-file") ||
		!strings.Contains(calls[1], "--offline") || !strings.Contains(calls[1], "--no-deps --format pylock.toml") {
		t.Errorf("uv was called as\n%s", strings.Join(calls, "\n"))
	}
	if _, err := os.Stat(filepath.Join(out, "error.txt")); err == nil {
		t.Error("an error was told")
	}
	b.must("sh", script, filepath.Join(b.dir, "bin", "uv"), "python3", in, out, "impossible")
	equal(t, "error.txt", "no way\n", b.read("out/error.txt"))
}

// The first uv comes by pip, with its hash, from where uv's settings say.
func TestUvFetch(t *testing.T) {
	b := newBench(t)
	b.write("bin/apt-get", "#!/bin/sh\n")
	b.write("bin/python3", "#!/bin/sh\necho \"$PIP_INDEX_URL $PIP_EXTRA_INDEX_URL|$*\" >called\n")
	b.write("tmp/.keep", "")
	b.env = append(b.env, "UV_DEFAULT_INDEX=https://x.test/simple")
	b.must("sh", b.script("uv-fetch.sh", "/tmp/", b.dir+"/tmp/"), "1.2.3", "abc", "out")
	if called := b.read("called"); !strings.HasPrefix(called, "https://x.test/simple |-m pip download ") ||
		!strings.Contains(called, "--require-hashes") {
		t.Errorf("pip was called as %s", called)
	}
	equal(t, "requirements", "uv==1.2.3 --hash=sha256:abc\n", b.read("tmp/uv.txt"))
}
