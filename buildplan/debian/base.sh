#!/bin/sh
# Make a minimal Debian root as a tar, and the lock of what went in.
#   base.sh SUITE WORK [SOURCES...]
# WORK/root.tar is written, and WORK/found.tsv: name version arch path size sha256, a package a line. Where WORK/lock.tsv
# exists, exactly its versions are installed, or the script fails. It runs on the host, as root, with a network.
# Equal packages and sources, equal bytes.
set -eu
suite=$1 work=$2; shift 2
hooks=/usr/share/mmdebstrap/hooks
export LC_ALL=C DRIFTPIN_WORK="$work"

# Pin everything to the lock; what it does not name cannot be chosen at all.
pins=$work/pins
: >"$pins"
if [ -s "$work/lock.tsv" ]; then
	printf 'Package: *\nPin: release *\nPin-Priority: -1\n' >"$pins"
	awk -F'\t' '{printf "\nPackage: %s\nPin: version %s\nPin-Priority: 1001\n", $1, $2}' "$work/lock.tsv" >>"$pins"
fi

# Inside the finished root, while its lists are still there: what is installed, and the signed index's word on it.
cat >"$work/list" <<'X'
dpkg-query -W -f '${Package}:${Architecture}=${Version}\n' | xargs apt-cache show --no-all-versions
X

mmdebstrap --mode=root --variant=apt --format=tar --skip=output/dev \
	--include=usr-is-merged,ca-certificates \
	--setup-hook="cp $pins \"\$1/etc/apt/preferences.d/driftpin\"" \
	--setup-hook="$hooks/merged-usr/setup00.sh" \
	--essential-hook="$hooks/merged-usr/essential00.sh" \
	--customize-hook='chroot "$1" sh <"$DRIFTPIN_WORK/list" >"$DRIFTPIN_WORK/stanzas"' \
	--customize-hook='rm -f "$1/etc/apt/preferences.d/driftpin" "$1/etc/hostname" "$1/etc/resolv.conf" "$1"/var/cache/debconf/*-old "$1"/var/lib/dpkg/*-old "$1"/etc/*-; rm -rf "$1"/var/log/apt' \
	--customize-hook='cd "$1/etc/apt/sources.list.d" && for f in 0000*.sources; do [ ! -e "$f" ] || mv "$f" "${f#0000}"; done' \
	"$suite" "$work/root.tar" "$@" >&2

# No device nodes (a runtime mounts its own), but the folder they go to.
mkdir -m 755 "$work/dev"
tar --append --file="$work/root.tar" --directory="$work" --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" ./dev

awk -v OFS='\t' '
	/^Package: /{n=$2} /^Version: /{v=$2} /^Architecture: /{a=$2} /^Filename: /{f=$2} /^Size: /{s=$2} /^SHA256: /{h=$2}
	/^$/{print n,v,a,f,s,h; n=v=a=f=s=h=""}' "$work/stanzas" | sort >"$work/found.tsv"
