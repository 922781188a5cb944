"""Build a wheel, or say what is needed for it (PEP 517, PEP 518): offline, without isolation, the same bytes every time.

    python -B build-wheel.py requires SOURCE SUBDIRECTORY OUT      OUT/requires.json: build-system.requires
    python -B build-wheel.py hook SOURCE SUBDIRECTORY OUT          OUT/requires.json: get_requires_for_build_wheel
    python -B build-wheel.py wheel SOURCE SUBDIRECTORY OUT         OUT/*.whl
    python -B build-wheel.py describe WHEEL OUT                    OUT/wheel.json: name, version, hash, size, requires

SOURCE is a source distribution, or tree.tar, which has the files of a git commit; the last two of the building modes run in an environment that has what the
first two said. The wheel is built in /build, so that no path in it differs.
"""
import glob
import hashlib
import importlib
import json
import os
import shutil
import sys
import tarfile
import zipfile
from email.parser import HeaderParser

BUILD = "/build/source"


def unpack(source):
    """Lay the source out in BUILD."""
    shutil.rmtree(BUILD, ignore_errors=True)
    if os.path.basename(source) == "tree.tar":
        with tarfile.open(source) as t:
            t.extractall(BUILD)
        return
    unpacked = "/build/unpacked"
    shutil.rmtree(unpacked, ignore_errors=True)
    if source.endswith(".zip"):
        with zipfile.ZipFile(source) as z:
            z.extractall(unpacked)
    else:
        with tarfile.open(source) as t:
            if hasattr(tarfile, "data_filter"):
                t.extractall(unpacked, filter="data")
            else:
                t.extractall(unpacked)
    (top,) = os.listdir(unpacked)
    shutil.move(os.path.join(unpacked, top), BUILD)


def build_system(folder):
    """The build-system table, with the defaults of PEP 517 for what has none."""
    table = {}
    if os.path.exists(os.path.join(folder, "pyproject.toml")):
        try:
            import tomllib
        except ImportError:
            import tomli as tomllib
        with open(os.path.join(folder, "pyproject.toml"), "rb") as f:
            table = tomllib.load(f).get("build-system", {})
    return {
        "requires": table.get("requires", ["setuptools>=40.8.0", "wheel"]),
        "build-backend": table.get("build-backend", "setuptools.build_meta:__legacy__"),
        "backend-path": table.get("backend-path", []),
    }


def backend(system):
    sys.path[:0] = [os.path.join(os.getcwd(), p) for p in system["backend-path"]]
    module, _, attributes = system["build-backend"].partition(":")
    found = importlib.import_module(module)
    for attribute in filter(None, attributes.split(".")):
        found = getattr(found, attribute)
    return found


def settle(folder):
    """One modification time for all sources: some back ends copy it into the wheel."""
    for path, folders, files in os.walk(folder):
        for name in folders + files:
            os.utime(os.path.join(path, name), (EPOCH, EPOCH), follow_symlinks=False)


def describe(wheel):
    with open(wheel, "rb") as f:
        data = f.read()
    with zipfile.ZipFile(wheel) as z:
        (info,) = [n for n in z.namelist() if n.count("/") == 1 and n.endswith(".dist-info/METADATA")]
        meta = HeaderParser().parsestr(z.read(info).decode("utf-8"))
    return {
        "file": os.path.basename(wheel), "sha256": hashlib.sha256(data).hexdigest(), "size": len(data),
        "name": meta["Name"], "version": meta["Version"], "requires": meta.get_all("Requires-Dist") or [],
        "requires_python": meta.get("Requires-Python") or "", "extras": meta.get_all("Provides-Extra") or [],
    }


def write(path, value):
    with open(path, "w", encoding="utf-8") as f:
        json.dump(value, f)


def main(mode, source, *rest):
    os.umask(0o022)
    out = rest[-1]
    if mode == "describe":
        (wheel,) = glob.glob(os.path.join(source, "*.whl"))
        write(os.path.join(out, "wheel.json"), describe(wheel))
        return
    unpack(source)
    settle(BUILD)
    folder = os.path.normpath(os.path.join(BUILD, rest[0]))
    os.chdir(folder)
    system = build_system(folder)
    if mode == "requires":
        write(os.path.join(out, "requires.json"), system["requires"])
    elif mode == "hook":
        hook = getattr(backend(system), "get_requires_for_build_wheel", lambda settings: [])
        write(os.path.join(out, "requires.json"), hook(None))
    else:
        backend(system).build_wheel(out, None, None)


EPOCH = int(os.environ["SOURCE_DATE_EPOCH"])
main(*sys.argv[1:])
