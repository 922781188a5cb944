"""Say which conda packages satisfy specs, or where channels are. Nothing is installed.

    python3 -B conda-resolve.py IN CHANNELS OUT      rattler on PYTHONPATH, network on

IN is a JSON file:
    specs     MatchSpecs; CHANNEL::… names one of channels
    channels  their names, by priority: a package comes from the first that has its name
    subdir    the platform's, such as linux-64
    prefer    [name, version, build, sha256] of the packages to stay with
    before    nothing newer than this instant (RFC 3339); empty: no limit
    locate    true: only say where the channels are
    list      true: only say which versions there are of specs, which are names
    prefix    an environment that is added to, whose packages stay as they are; empty: a new one
CHANNELS is a JSON file with conda's settings (custom_channels, channel_alias): {"custom": {NAME: ADDRESS}, "alias": ADDRESS}.
OUT gets answer.json: {"packages": […]}, of which some are "held" by the environment at prefix, or {"channels": {NAME: ADDRESS}}, or {"versions": {NAME: {VERSION: DATE}}}, or
    {"error": {"text", "versions": {NAME: {VERSION: DATE}}, "near": {NAME: [NAME]}}}
where versions are all that the channels have of what was asked for, of whatever date, and near are names like those that
no channel has.
"""
import asyncio
import datetime
import difflib
import glob
import json
import os
import platform
import sys

from rattler import (BuildString, Channel, ChannelPriority, Client, Gateway, GenericVirtualPackage, MatchSpec, PackageName,
                     PrefixRecord, Version, solve)
from rattler.exceptions import GatewayError, InvalidMatchSpecError, SolverError

CACHE = "/var/cache/driftpin-rattler"


def address(name, settings):
    """Where a channel is: its name is added to what the settings say of it, or of the longest name that it begins with."""
    prefix = name
    while prefix:
        if settings["custom"].get(prefix):
            return settings["custom"][prefix].rstrip("/") + "/" + name
        prefix = prefix.rpartition("/")[0]
    if settings["alias"]:
        return settings["alias"].rstrip("/") + "/" + name
    return Channel(name).base_url.rstrip("/")


def parse(spec, urls):
    channel, colons, rest = spec.partition("::")
    if colons:
        spec = urls[channel] + "::" + rest
    return MatchSpec(spec, strict=False, extras=False, conditionals=False, flags=False)


def virtual_packages(subdir):
    """What the base is, as conda sees it. The kernel is the one of a machine that an image runs on, which nobody knows."""
    glibc = os.confstr("CS_GNU_LIBC_VERSION").split()[1]
    machine = {"linux-64": "x86_64", "linux-aarch64": "aarch64"}[subdir]
    packages = [("__unix", "0", "0"), ("__linux", "5.10", "0"), ("__glibc", glibc, "0"), ("__archspec", "1", machine)]
    return [GenericVirtualPackage(PackageName(n), Version(v), BuildString(b)) for n, v, b in packages]


async def kept(gateway, q, urls):
    """The records of what to stay with, as the channels have them today."""
    specs = [MatchSpec("%s[version='==%s',build='%s']" % (n, v, b)) for n, v, b, _ in q["prefer"]]
    if not specs:
        return []
    hashes = {sha256 for _, _, _, sha256 in q["prefer"]}
    found = await gateway.query(list(urls.values()), [q["subdir"], "noarch"], specs, recursive=False)
    return [r for records in found for r in records if r.sha256 and r.sha256.hex() in hashes]


async def available(asked, gateway, q, urls):
    """All versions that the channels have of some packages, with dates."""
    found = await gateway.query(list(urls.values()), [q["subdir"], "noarch"], asked, recursive=False)
    versions = {}
    for r in (r for records in found for r in records):
        date = r.timestamp.date().isoformat() if r.timestamp else ""
        of = versions.setdefault(r.name.normalized, {})
        of[str(r.version)] = min(filter(None, (date, of.get(str(r.version)))), default="")
    return versions


async def explain(error, gateway, q, urls, specs):
    """What there is, where what was asked for can't be had."""
    asked = sorted({s.name.normalized for s in specs})
    versions = await available(asked, gateway, q, urls)
    missing = [n for n in asked if n not in versions]
    known = [n.normalized for n in await gateway.names(list(urls.values()), [q["subdir"], "noarch"])] if missing else []
    return {"error": {"text": str(error), "versions": versions, "near": {n: difflib.get_close_matches(n, known, 1) for n in missing}}}


async def resolve(q, urls):
    specs = [parse(s, urls) for s in q["specs"]]
    gateway = Gateway(cache_dir=CACHE, client=Client.default_client())
    if q["list"]:
        return {"versions": await available(q["specs"], gateway, q, urls)}
    held = [PrefixRecord.from_path(path) for path in sorted(glob.glob(q["prefix"] + "/conda-meta/*.json"))] if q["prefix"] else []
    there = {(r.name.normalized, str(r.version), r.build) for r in held}
    before = datetime.datetime.fromisoformat(q["before"].replace("Z", "+00:00")) if q["before"] else None
    try:
        records = await solve(list(urls.values()), specs, gateway, [q["subdir"], "noarch"], pinned_packages=held,
                              locked_packages=await kept(gateway, q, urls), virtual_packages=virtual_packages(q["subdir"]),
                              exclude_newer=before, channel_priority=ChannelPriority.Strict)
    except SolverError as error:
        return await explain(error, gateway, q, urls, specs)
    return {"packages": [describe(r, urls, (r.name.normalized, str(r.version), r.build) in there) for r in records]}


def describe(record, urls, held):
    from_here = [name for name, url in urls.items() if Channel(record.channel).base_url == Channel(url).base_url]
    channel = from_here[0] if from_here else record.channel
    return {
        "name": record.name.normalized, "version": str(record.version), "sha256": record.sha256.hex() if record.sha256 else "",
        "size": record.size or 0, "file": "/".join([channel, record.subdir, record.file_name]), "url": record.url,
        "held": held, "depends": [d.split()[0].split("[")[0].lower() for d in record.depends],
    }


def main(given, channels, out):
    with open(given) as f:
        q = json.load(f)
    with open(channels) as f:
        settings = json.load(f)
    urls = {name: address(name, settings) for name in q["channels"]}
    try:
        answer = {"channels": urls} if q["locate"] else asyncio.run(resolve(q, urls))
    except (GatewayError, InvalidMatchSpecError) as error:
        answer = {"error": {"text": str(error), "versions": None, "near": {}}}
    with open(os.path.join(out, "answer.json"), "w") as f:
        json.dump(answer, f)


if platform.libc_ver()[0] != "glibc":
    sys.exit("conda's packages need a base with glibc")
main(*sys.argv[1:])
sys.stdout.flush()
os._exit(0)  # threads of rattler may still run, and now and then bring down a process that ends
