"""Install conda packages as if they lay in an environment: offline, each by itself, the same bytes every time.

    python3 -B conda-install.py PACKAGES ENVIRONMENT LAYER      rattler on PYTHONPATH

PACKAGES holds *.conda and *.tar.bz2, and lock.json: {"python": its version, or "", "channels": {file: channel}, "replaced":
{file: [names of Python distributions in it that are left out; of those behind a ? if they are there]}}. What they hold is written to LAYER/ENVIRONMENT. If a Python
package of every platform is among them, the Python of the environment lies at ENVIRONMENT/bin/python, and compiles it. Scripts
that packages bring (post-link) are not run.
"""
import asyncio
import configparser
import contextlib
import csv
import glob
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time

from rattler import BuildString, PackageName, PackageRecord, RepoDataRecord, Subdir, VersionWithSource, install

EPOCH = int(os.environ["SOURCE_DATE_EPOCH"])
SUBDIR = {"x86_64": "linux-64", "aarch64": "linux-aarch64"}[os.uname().machine]
NOWHERE = "https://conda.invalid/"  # a record has an address; which mirror a package came from is nobody's business

COMPILE = """
import py_compile, sys
for line in sys.stdin:
    f = line.rstrip("\\n")
    try:
        print(py_compile.compile(sys.argv[1] + "/" + f, dfile=sys.argv[2] + "/" + f, doraise=True,
                                 invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH))
    except py_compile.PyCompileError:
        pass
"""


def elsewhere(version):
    """A record of the Python that another layer has."""
    record = PackageRecord(PackageName("python"), VersionWithSource(version), BuildString("0"), 0, SUBDIR)
    return RepoDataRecord(record, "python-%s-0.conda" % version, NOWHERE + "python.conda", NOWHERE)


async def link(archive, target, environment, python):
    """Unpack an archive into target, with the names of the environment in its files."""
    record = await RepoDataRecord.from_package_archive(archive)
    others = [elsewhere(python)] if python and record.name.normalized != "python" else []
    with tempfile.TemporaryDirectory() as cache:
        await install([record] + others, target, cache_dir=cache, installed_packages=[], ignored_packages={"python"} if others else set(),
                      platform=Subdir(SUBDIR), execute_link_scripts=False, show_progress=False, alternative_target_prefix=environment)
    for junk in ("CACHEDIR.TAG", "conda-meta/history", ".lock"):
        with contextlib.suppress(FileNotFoundError):
            os.remove(os.path.join(target, junk))


def compile_files(target, environment, meta):
    """Bytecode that is never compared with its source's time."""
    sources = sorted(f for f in meta["files"] if f.endswith(".py") and "/site-packages/" in f)
    run = subprocess.run([environment + "/bin/python", "-IB", "-W", "ignore", "-c", COMPILE, target, environment], input="\n".join(sources),
                         text=True, stdout=subprocess.PIPE, check=True)
    for pyc in run.stdout.splitlines():
        path = os.path.relpath(pyc, target)
        with open(pyc, "rb") as f:
            data = f.read()
        meta["files"].append(path)
        meta["paths_data"]["paths"].append({"_path": path, "path_type": "pyc_file", "sha256": hashlib.sha256(data).hexdigest(), "size_in_bytes": len(data)})


def leave_out(target, name):
    """Remove a Python distribution: what its RECORD tells (PyPA, "Recording installed projects"), and the programs it names."""
    wanted, name = not name.startswith("?"), name.lstrip("?")
    for record in glob.glob(target + "/**/site-packages/*.dist-info/RECORD", recursive=True):
        info = os.path.dirname(record)
        if re.sub(r"[-_.]+", "-", os.path.basename(info).split("-")[0]).lower() != name:
            continue
        scripts = configparser.ConfigParser(delimiters="=", interpolation=None)
        scripts.optionxform = str
        scripts.read(info + "/entry_points.txt")
        paths = [target + "/bin/" + program for section in ("console_scripts", "gui_scripts") if scripts.has_section(section) for program in scripts[section]]
        with open(record, newline="") as f:
            paths += [os.path.join(os.path.dirname(info), row[0]) for row in csv.reader(f) if row]
        for path in set(map(os.path.normpath, paths + glob.glob(info + "/*"))):  # conda adds to dist-info
            inside = os.path.realpath(os.path.dirname(path)) + "/"  # a link may lead out of the package
            if inside.startswith(os.path.realpath(target) + "/") and os.path.lexists(path) and not os.path.isdir(path):
                os.remove(path)
        for folder, _, _ in os.walk(target, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(folder)
        return
    if wanted:
        sys.exit("there is no Python distribution %s with a RECORD that could be left out" % name)


def finish(target, environment, channel, replaced):
    """Make the record in conda-meta (CEP 34) say what holds of every installation, and nothing of this one."""
    (path,) = glob.glob(target + "/conda-meta/*.json")
    with open(path) as f:
        meta = json.load(f)
    for name in replaced:
        leave_out(target, name)
        meta["files"] = [f for f in meta["files"] if os.path.lexists(os.path.join(target, f))]
        meta["paths_data"]["paths"] = [p for p in meta["paths_data"]["paths"] if os.path.lexists(os.path.join(target, p["_path"]))]
    if meta.get("noarch") == "python":
        compile_files(target, environment, meta)
    meta["channel"] = channel
    meta["url"] = NOWHERE + "/".join([channel, meta["subdir"], meta["fn"]])
    for key in ("extracted_package_dir", "package_tarball_full_path", "link"):
        meta.pop(key, None)
    with open(path, "w") as f:
        json.dump(meta, f, indent=2, sort_keys=True)
        f.write("\n")
    os.chmod(path, 0o644)


def move(source, target):
    """Move a package into the layer; of two with one path the later by name wins."""
    for folder, folders, files in os.walk(source):
        to = os.path.normpath(os.path.join(target, os.path.relpath(folder, source)))
        os.makedirs(to, exist_ok=True)
        for name in files + [d for d in folders if os.path.islink(os.path.join(folder, d))]:
            os.rename(os.path.join(folder, name), os.path.join(to, name))


def settle(root, started):
    """One modification time for all that this step wrote. Files whose archive gave them a time keep it: bytecode that was
    packed with them is compared with it."""
    for folder, folders, files in os.walk(root, topdown=False):
        links = [d for d in folders if os.path.islink(os.path.join(folder, d))]
        for path in [os.path.join(folder, f) for f in files + links] + [folder]:
            if not os.path.islink(path) and os.path.isdir(path) or os.lstat(path).st_mtime >= started:
                os.utime(path, (EPOCH, EPOCH), follow_symlinks=False)


async def main(packages, environment, layer):
    os.umask(0o022)
    started = time.time() - 1
    with open(os.path.join(packages, "lock.json")) as f:
        lock = json.load(f)
    for archive in sorted(glob.glob(packages + "/*.conda") + glob.glob(packages + "/*.tar.bz2")):
        with tempfile.TemporaryDirectory(dir=layer) as stage:
            name = os.path.basename(archive)
            try:
                await link(archive, stage, environment, lock["python"])
            except Exception as error:  # rattler has no type for it
                sys.exit("%s can't be unpacked: %s" % (name, error))
            finish(stage, environment, lock["channels"][name], lock.get("replaced", {}).get(name, []))
            move(stage, layer + environment)
    os.chmod(layer + environment, 0o755)
    settle(layer, started)


asyncio.run(main(*sys.argv[1:]))
sys.stdout.flush()
os._exit(0)  # threads of rattler may still run, and now and then bring down a process that ends
