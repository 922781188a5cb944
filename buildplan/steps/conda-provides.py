"""Say which Python distributions conda packages bring, as wheels that hold nothing: for a solver that must not bring them again.

    python3 -B conda-provides.py PACKAGES OUT REPLACED      rattler on PYTHONPATH

PACKAGES holds *.conda and *.tar.bz2. OUT/provides.tsv has the distribution's name, its version, the archive, and whether its
files are recorded, a line each; OUT/NAME-VERSION-py3-none-any.whl stands for it, and requires nothing: what it needs conda has seen to. For those
whose names are among the words of REPLACED none does.
"""
import asyncio
import glob
import os
import re
import sys
import tempfile
import zipfile
from email.parser import HeaderParser

from rattler.package_streaming import extract


def metadata(folder):
    """The metadata of distributions (PyPA, "Recording installed projects"), and of eggs."""
    for pattern in ("**/site-packages/*.dist-info/METADATA", "**/site-packages/*.egg-info/PKG-INFO", "**/site-packages/*.egg-info"):
        for path in sorted(glob.glob(os.path.join(folder, pattern), recursive=True)):
            if os.path.isfile(path):
                with open(path, encoding="utf-8", errors="replace") as f:
                    meta = HeaderParser().parse(f)
                if meta["Name"] and meta["Version"]:
                    yield meta["Name"], meta["Version"], "recorded" if os.path.exists(os.path.dirname(path) + "/RECORD") else ""


def stand_in(out, name, version):
    name = re.sub(r"[-_.]+", "_", name)
    info = "%s-%s.dist-info/" % (name, version)
    with zipfile.ZipFile(os.path.join(out, "%s-%s-py3-none-any.whl" % (name, version)), "w") as z:
        for file, text in (("METADATA", "Metadata-Version: 2.1\nName: %s\nVersion: %s\n" % (name, version)),
                           ("WHEEL", "Wheel-Version: 1.0\nGenerator: driftpin\nRoot-Is-Purelib: true\nTag: py3-none-any\n"), ("RECORD", "")):
            z.writestr(zipfile.ZipInfo(info + file, (2020, 1, 1, 0, 0, 0)), text)


def main(packages, out, replaced):
    with open(os.path.join(out, "provides.tsv"), "w") as table:
        for archive in sorted(glob.glob(packages + "/*.conda") + glob.glob(packages + "/*.tar.bz2")):
            with tempfile.TemporaryDirectory() as folder:
                try:
                    extract(archive, folder)
                except Exception as error:  # rattler has no type for it
                    sys.exit("%s can't be unpacked: %s" % (os.path.basename(archive), error))
                for name, version, recorded in sorted(set(metadata(folder))):
                    if re.sub(r"[-_.]+", "-", name).lower() not in replaced.split():
                        stand_in(out, name, version)
                    table.write("\t".join([name, version, os.path.basename(archive), recorded]) + "\n")


main(*sys.argv[1:])
sys.stdout.flush()
os._exit(0)  # threads of rattler may still run, and now and then bring down a process that ends
