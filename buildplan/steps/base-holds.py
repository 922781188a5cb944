"""Say which Python distributions an environment holds, as wheels that hold nothing: for a solver that must leave them as they are.

    ENV/bin/python -IB base-holds.py OUT

OUT/provides.tsv has the distribution's name and version, a line each; OUT/NAME-VERSION-py3-none-any.whl stands for it, and
requires nothing but what its extras do: what it needs itself is the environment's affair.
"""
import os
import re
import sys
import sysconfig
import zipfile
from importlib import metadata


def stand_in(out, dist, name, version):
    name = re.sub(r"[-_.]+", "_", name)
    info = "%s-%s.dist-info/" % (name, version)
    meta = ["Metadata-Version: 2.1", "Name: " + name, "Version: " + version]
    meta += ["Provides-Extra: " + extra for extra in dist.metadata.get_all("Provides-Extra") or []]
    meta += ["Requires-Dist: " + need for need in dist.requires or [] if re.search(r";.*\bextra\b", need)]
    with zipfile.ZipFile(os.path.join(out, "%s-%s-py3-none-any.whl" % (name, version)), "w") as z:
        for file, text in (("METADATA", "\n".join(meta) + "\n"), ("RECORD", ""),
                           ("WHEEL", "Wheel-Version: 1.0\nGenerator: driftpin\nRoot-Is-Purelib: true\nTag: py3-none-any\n")):
            z.writestr(zipfile.ZipInfo(info + file, (2020, 1, 1, 0, 0, 0)), text)


def main(out):
    lines, seen = [], set()
    sites = dict.fromkeys(sysconfig.get_path(which) for which in ("purelib", "platlib"))
    for dist in metadata.distributions(path=list(sites)):
        name, version = dist.metadata["Name"], dist.version
        canonical = re.sub(r"[-_.]+", "-", name or "").lower()
        if canonical in seen:
            continue  # left behind by an installer: the first is the one that Python finds
        seen.add(canonical)
        if name and version and re.fullmatch(r"[A-Za-z0-9._-]+", name) and re.fullmatch(r"[A-Za-z0-9.+!]+", version):
            stand_in(out, dist, name, version)
            lines.append("%s\t%s\n" % (name, version))
    with open(os.path.join(out, "provides.tsv"), "w") as table:
        table.writelines(sorted(lines))


main(*sys.argv[1:])
