"""Make a channel of conda packages, and install from it.

    conda.py make CHANNEL WHEELS DEBS     each wheel becomes a package, and so does each Python in a folder of Debian's packages
    conda.py install URL PREFIX SPEC...
"""
import asyncio
import bz2
import configparser
import glob
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile

SUBDIRS = ("linux-64", "noarch")


def packed(files):
    """A tar archive; a file is its bytes, with its mode if that matters, or the target of a link."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, (data, mode) in sorted(files.items()):
            info = tarfile.TarInfo(name)
            info.mode, info.mtime = mode or 0o644, 1600000000
            if isinstance(data, str):
                info.type, info.linkname, data = tarfile.SYMTYPE, data, b""
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def entry(name, data):
    """A file as paths.json tells of it."""
    if isinstance(data, str):
        return {"_path": name, "path_type": "softlink"}
    return {"_path": name, "path_type": "hardlink", "sha256": hashlib.sha256(data).hexdigest(), "size_in_bytes": len(data)}


def add(channel, name, version, build, files, depends=(), noarch=False, programs=(), old=False):
    """Write a package: a .conda file (CEP 35), or a .tar.bz2 as of old."""
    subdir = "noarch" if noarch else "linux-64"
    record = {"name": name, "version": version, "build": build, "build_number": int(re.search(r"(\d+)(?:_cpython)?$", build)[1]), "depends": list(depends),
              "subdir": subdir, "timestamp": 1700000000000}
    if noarch:
        record["noarch"] = "python"
    info = {"info/index.json": record, "info/about.json": {},
            "info/paths.json": {"paths": [entry(n, d) for n, (d, _) in sorted(files.items())], "paths_version": 1}}
    if noarch:
        info["info/link.json"] = {"noarch": {"type": "python", "entry_points": list(programs)}, "package_metadata_version": 1}
    info = {n: (json.dumps(v).encode(), 0) for n, v in info.items()}
    info["info/files"] = ("".join(n + "\n" for n in sorted(files)).encode(), 0)
    stem = "-".join((name, version, build))
    path = os.path.join(channel, subdir, stem + (".tar.bz2" if old else ".conda"))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if old:
        with open(path, "wb") as f:
            f.write(bz2.compress(packed({**files, **info})))
    else:
        import zstandard
        zstd = zstandard.ZstdCompressor(level=1)
        with zipfile.ZipFile(path, "w") as z:
            z.writestr("metadata.json", '{"conda_pkg_format_version": 2}')
            z.writestr("pkg-%s.tar.zst" % stem, zstd.compress(packed(files)))
            z.writestr("info-%s.tar.zst" % stem, zstd.compress(packed(info)))
    with open(path, "rb") as f:
        data = f.read()
    record.update(sha256=hashlib.sha256(data).hexdigest(), md5=hashlib.md5(data).hexdigest(), size=len(data))
    return subdir, os.path.basename(path), record


def from_wheel(channel, path):
    """A package of a wheel: for every platform if the wheel is."""
    name, version, *_, platform = os.path.basename(path)[:-4].split("-")
    noarch = platform == "any"
    site = "site-packages/" if noarch else "lib/python3.11/site-packages/"
    files, programs = {}, []
    with zipfile.ZipFile(path) as z:
        for item in z.infolist():
            if item.is_dir():
                continue
            where = re.sub(r"^[^/]*\.data/(purelib|platlib)/", "", item.filename)
            if re.match(r"[^/]*\.data/", where):
                continue
            files[site + where] = (z.read(item), item.external_attr >> 16 & 0o755)
            if where.endswith(".dist-info/entry_points.txt"):
                parser = configparser.ConfigParser(delimiters="=")
                parser.optionxform = str
                parser.read_string(z.read(item).decode())
                programs = ["%s = %s" % e for e in parser.items("console_scripts")] if parser.has_section("console_scripts") else []
            if where.endswith(".dist-info/METADATA"):
                files[site + os.path.dirname(where) + "/INSTALLER"] = (b"conda\n", 0)
    depends = ["python >=3.8"] if noarch else ["python 3.11.*"]
    return add(channel, re.sub(r"[-_.]+", "-", name).lower(), version, "pyh_0" if noarch else "py311_0", files, depends, noarch, programs)


def tree(root):
    """The files below a folder."""
    files = {}
    for folder, folders, names in os.walk(root):
        for name in names + [f for f in folders if os.path.islink(os.path.join(folder, f))]:
            path = os.path.join(folder, name)
            if os.path.islink(path):
                files[os.path.relpath(path, root)] = (os.readlink(path), 0)
            else:
                with open(path, "rb") as f:
                    files[os.path.relpath(path, root)] = (f.read(), os.stat(path).st_mode & 0o755)
    return files


WRAPPER = """#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
exec "$here/../lib/ld-linux-x86-64.so.2" --argv0 "$0" --library-path "$here/../lib" "$here/.%s" "$@"
"""


def from_debian(channel, debs):
    """A Python that runs, with all libraries that it needs beside it, of unpacked Debian packages."""
    with tempfile.TemporaryDirectory() as root:
        for deb in debs:
            subprocess.run(["dpkg-deb", "-x", deb, root], check=True)
        everything = tree(root)
    files = {}
    for name, (data, mode) in everything.items():
        program = re.fullmatch(r"usr/bin/(python3\.\d+)", name)
        library = re.fullmatch(r"(?:usr/)?lib/x86_64-linux-gnu/(ld-linux-x86-64\.so\.2|lib(?:c|m|z|expat)\.so\.[0-9.]+)", name)
        if program:
            python = program[1]
            files["bin/." + python] = (data, 0o755)
        elif library:
            files["lib/" + library[1]] = (data, 0o755)
        elif re.match(r"usr/lib/python3\.\d+/", name) and not name.endswith(("EXTERNALLY-MANAGED", "sitecustomize.py")):
            files[name[4:]] = (data, mode)
    files["bin/" + python] = ((WRAPPER % python).encode(), 0o755)
    files["bin/python"] = files["bin/python3"] = (python, 0)
    site = "lib/%s/" % python
    # Debian's Python has folders of its own for what is installed: give it conda's.
    files[site + "sitecustomize.py"] = (b"import site, sys\nfolder = sys.prefix + '/%ssite-packages'\n"
                                        b"site.getsitepackages = lambda prefixes=None: [folder]\nsite.addsitedir(folder)\n" % site.encode(), 0)
    files[site + "site-packages/README.txt"] = (b"packages go here\n", 0)
    (deb,) = [d for d in debs if "/python3" in d]
    version = subprocess.run(["dpkg-deb", "-f", deb, "Version"], check=True, capture_output=True, text=True).stdout.split("-")[0]
    return add(channel, "python", version, "0_cpython", files)


def make(channel, wheels, debs):
    """Write the channel, with its index."""
    index = {s: {"info": {"subdir": s}, "packages": {}, "packages.conda": {}, "repodata_version": 1} for s in SUBDIRS}
    made = [from_wheel(channel, w) for w in sorted(glob.glob(wheels + "/*.whl"))]
    made += [from_debian(channel, glob.glob(folder + "/*.deb")) for folder in sorted(glob.glob(debs + "/*"))]
    for version, build in ("1.0", "h1a_0"), ("1.0", "h2b_1"), ("1.1", "h3c_0"):
        made.append(add(channel, "libdrift", version, build, {"lib/libdrift.so": ((version + build).encode(), 0)}, old=True))
    made.append(add(channel, "drift-data", "2024a", "0", {"share/drift/data": (b"data", 0)}, ["libdrift"]))
    for subdir, name, record in made:
        index[subdir]["packages" if name.endswith(".tar.bz2") else "packages.conda"][name] = record
    for subdir in SUBDIRS:
        os.makedirs(os.path.join(channel, subdir), exist_ok=True)
        with open(os.path.join(channel, subdir, "repodata.json"), "w") as f:
            json.dump(index[subdir], f)


async def install(url, prefix, specs):
    """Make a prefix have what the specs ask for, and no more."""
    import rattler
    have = [rattler.PrefixRecord.from_path(p) for p in glob.glob(prefix + "/conda-meta/*.json")]
    want = await rattler.solve([url], specs, platforms=list(SUBDIRS), locked_packages=have, virtual_packages=rattler.VirtualPackage.detect())
    with tempfile.TemporaryDirectory() as cache:
        await rattler.install(want, prefix, cache_dir=cache, platform=rattler.Platform("linux-64"), execute_link_scripts=False, show_progress=False)


if sys.argv[1] == "make":
    make(*sys.argv[2:])
else:
    asyncio.run(install(sys.argv[2], sys.argv[3], sys.argv[4:]))
