"""Install the wheels of a folder into an environment: offline, without dependencies, the same bytes every time.

    ENV/bin/python -B pip-install.py UV WHEELS

The environment is the one of the python that runs this. It has none of the packages yet: whatever is new in it afterwards
came from WHEELS/*.whl. Beside a wheel built from a git commit lies WHEEL.direct_url.json (PEP 610).
Wanted in the environment: SOURCE_DATE_EPOCH, PYTHONHASHSEED=0, PYTHONDONTWRITEBYTECODE=1, and a /tmp that is not kept.
"""
import base64
import csv
import glob
import hashlib
import io
import multiprocessing
import os
import py_compile
import subprocess
import sys
import sysconfig
import tempfile
import time
import warnings
import zipfile

EPOCH = int(os.environ["SOURCE_DATE_EPOCH"])
SITE = sysconfig.get_path("purelib")
BEFORE = frozenset(os.listdir(SITE))


def mended(wheel, folder):
    """The wheel, or a copy of it in folder with a RECORD of what it holds: pip takes rows that are no rows of CSV, and such for
    what is no file of the wheel, with a warning at most; uv does not."""
    with zipfile.ZipFile(wheel) as z:
        names = [n for n in z.namelist() if not n.endswith("/")]
        record = next((n for n in names if n.endswith(".dist-info/RECORD") and n.count("/") == 1), None)
        if record is None:
            return wheel
        rows = [r for r in csv.reader(z.read(record).decode("utf-8", "replace").splitlines()) if r]
        if all(len(r) == 3 and r[0] in names for r in rows):
            return wheel
        print("warning: the RECORD of %s has rows that are none, or that are of no file in it: it is written anew, as pip does" % os.path.basename(wheel), file=sys.stderr)
        copy = os.path.join(folder, os.path.basename(wheel))
        with zipfile.ZipFile(copy, "w") as out:
            told = []
            for n in names:
                if n != record and not n.endswith((".dist-info/RECORD.jws", ".dist-info/RECORD.p7s")):
                    data = z.read(n)
                    told.append([n, "sha256=" + digest(data), str(len(data))])
                    out.writestr(z.getinfo(n), data)
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerows(told + [[record, "", ""]])
            out.writestr(record, text.getvalue())
        return copy


def digest(data):
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def install(uv, wheels):
    command = [uv, "pip", "install", "--quiet", "--offline", "--no-index", "--no-deps", "--no-cache",
               "--link-mode", "copy", "--python", sys.executable]
    env = dict(os.environ, UV_NO_CONFIG="1", UV_PYTHON_DOWNLOADS="never")
    subprocess.run(command + wheels, env=env, check=True)
    if clash():  # uv writes side by side, in no order; so once more, one by one: the last by name wins
        for wheel in wheels:
            subprocess.run(command + ["--reinstall", wheel], env=env, check=True)
    if os.path.exists(os.path.join(sys.prefix, ".lock")):
        os.remove(os.path.join(sys.prefix, ".lock"))


def clash():
    """Do two packages own one path with different bytes?"""
    seen = {}
    return any(seen.setdefault(path, row[1]) != row[1] for info in infos() for path, row in read_record(info).items())


def infos():
    return sorted(n for n in os.listdir(SITE) if n.endswith(".dist-info") and n not in BEFORE)


def read_record(info):
    with open(os.path.join(SITE, info, "RECORD"), newline="", encoding="utf-8") as f:
        return {row[0]: row for row in csv.reader(f) if row}


def origins(wheels):
    """What to write as direct_url.json, by dist-info folder."""
    found = {}
    for wheel in wheels:
        if os.path.exists(wheel + ".direct_url.json"):
            with zipfile.ZipFile(wheel) as z:
                info = next(n for n in z.namelist() if n.endswith(".dist-info/METADATA")).split("/")[0]
            with open(wheel + ".direct_url.json", "rb") as f:
                found[info] = f.read()
    return found


def compile_files(paths):
    """Bytecode that is never compared with its source's time. What does not compile (templates, old syntax) has none.

    How Python writes bytecode depends on what the process has seen before. So who compiles what is always the same: one
    process, or for a large package four, a fixed quarter each.
    """
    paths = sorted(paths)
    if len(paths) < 1000:
        return compile_some(paths)
    with multiprocessing.get_context("fork").Pool(4, maxtasksperchild=1) as pool:
        return set().union(*pool.map(compile_some, [paths[i::4] for i in range(4)], chunksize=1))


def compile_some(paths):
    warnings.simplefilter("ignore")
    done = set()
    for path in paths:
        try:
            pyc = py_compile.compile(os.path.join(SITE, path), doraise=True,
                                     invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
            done.add(os.path.relpath(pyc, SITE))
        except py_compile.PyCompileError:
            pass
    return done


def finish(info, origin):
    """Drop what only says how this installation went, compile, and make RECORD true again."""
    for name in ("REQUESTED", "uv_cache.json", "direct_url.json"):
        if os.path.exists(os.path.join(SITE, info, name)):
            os.remove(os.path.join(SITE, info, name))
    paths = set(read_record(info))
    paths |= compile_files(p for p in paths if p.endswith(".py") and not p.startswith(".."))
    if origin:
        paths.add(info + "/direct_url.json")
        with open(os.path.join(SITE, info, "direct_url.json"), "wb") as f:
            f.write(origin)
    record = info + "/RECORD"
    rows = [row(p) for p in sorted(paths - {record}) if os.path.lexists(os.path.join(SITE, p))]
    with open(os.path.join(SITE, record), "w", newline="", encoding="utf-8") as f:
        csv.writer(f, lineterminator="\n").writerows(rows + [[record, "", ""]])


def row(path):
    """A file as RECORD tells it (PyPA, "Recording installed projects"): with its hash as it lies there, since the records
    of some wheels are wrong."""
    with open(os.path.join(SITE, path), "rb") as f:
        data = f.read()
    return [path, "sha256=" + digest(data), str(len(data))]


def settle(root, started, ours):
    """One modification time for all that this step wrote: what the records tell, and what is new. What was there before is not
    ours, and its time of change tells nothing: engines link files of one layer into others, which changes it."""
    for folder, _, files in os.walk(root, topdown=False):
        for path in [os.path.join(folder, f) for f in files] + [folder]:
            written = os.lstat(path).st_mtime_ns
            if written != EPOCH * 10**9 and (written >= started or path in ours):
                os.utime(path, (EPOCH, EPOCH), follow_symlinks=False)


def main(uv, folder):
    os.umask(0o022)
    with tempfile.NamedTemporaryFile() as stamp:  # the clock of files is coarser than ours
        started = os.stat(stamp.name).st_ctime_ns
    time.sleep(0.02)
    wheels = sorted(glob.glob(os.path.join(folder, "*.whl")))
    with tempfile.TemporaryDirectory() as copies:
        install(uv, [mended(w, copies) for w in wheels])
    origin = origins(wheels)
    for info in infos():
        finish(info, origin.get(info))
    settle(sys.prefix, started, {os.path.normpath(os.path.join(SITE, p)) for info in infos() for p in read_record(info)})


if __name__ == "__main__":
    main(*sys.argv[1:])
