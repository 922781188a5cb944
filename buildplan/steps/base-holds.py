"""Say which Python distributions an environment holds, as wheels that hold nothing: for a solver that must leave them as they are.

    ENV/bin/python -IB base-holds.py OUT

OUT/provides.tsv has the distribution's name and version, a line each; OUT/NAME-VERSION-py3-none-any.whl stands for it, and
requires nothing but what its extras do: what it needs itself is the environment's affair.
OUT/owned.tsv says which files it owns, and conda's and npm's packages: kind, name, version, path in the environment (that of
site-packages without what is before it), and what tells the file from another: its hash, what a program calls or runs.
"""
import base64
import csv
import glob
import json
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


def of_pip(dist, site):
    """What a distribution owns (PyPA, "Recording installed projects" and "Entry points specification")."""
    for row in csv.reader((dist.read_text("RECORD") or "").splitlines()):
        path = os.path.relpath(os.path.join(site, row[0]), site) if row else ".."
        if not path.startswith("..") and not path.endswith(".pyc") and row[1]:
            yield "site-packages/" + path, row[1]
    for entry in dist.entry_points:
        if entry.group in ("console_scripts", "gui_scripts"):
            yield "bin/" + entry.name, "calls " + "".join(entry.value.split())


def of_conda():
    """What conda's packages own outside of site-packages (CEP 34)."""
    for record in glob.glob(sys.prefix + "/conda-meta/*.json"):
        with open(record, encoding="utf-8") as f:
            meta = json.load(f)
        for path in meta.get("paths_data", {}).get("paths", []):
            if path.get("sha256") and "site-packages/" not in path["_path"]:
                sha256 = base64.urlsafe_b64encode(bytes.fromhex(path["sha256"])).rstrip(b"=").decode()
                yield "conda", meta["name"], meta["version"], path["_path"], "sha256=" + sha256


def of_npm():
    """Where npm's packages are, and which programs are theirs."""
    root = os.path.join(sys.prefix, "lib/node_modules")
    packages = {}
    for manifest in glob.glob(root + "/*/package.json") + glob.glob(root + "/@*/*/package.json"):
        with open(manifest, encoding="utf-8-sig") as f:
            meta = json.load(f)
        folder = os.path.dirname(manifest)
        packages[folder] = meta["name"], meta["version"]
        yield "npm", meta["name"], meta["version"], os.path.relpath(manifest, sys.prefix), "npm %s %s" % packages[folder]
    for program in glob.glob(sys.prefix + "/bin/*"):
        target = os.path.realpath(program)
        for folder, (name, version) in packages.items():
            if os.path.islink(program) and target.startswith(folder + "/"):
                yield "npm", name, version, "bin/" + os.path.basename(program), "runs %s/%s" % (name, os.path.relpath(target, folder))


def main(out):
    lines, seen, owned = [], set(), []
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
            owned += [("pip", name, version, *pair) for pair in of_pip(dist, sysconfig.get_path("purelib"))]
    with open(os.path.join(out, "provides.tsv"), "w") as table:
        table.writelines(sorted(lines))
    owned += [*of_conda(), *of_npm()]
    with open(os.path.join(out, "owned.tsv"), "w") as table:
        table.writelines(sorted("\t".join(row) + "\n" for row in owned if not re.search(r"[\t\n\r]", "".join(row))))


main(*sys.argv[1:])
