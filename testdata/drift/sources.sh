# Makes in /made what no archive has: Debian packages that do not come to be configured, one of a foreign architecture,
# sources of R's, Python's and npm's, a git repository.
set -eu

# deb NAME VERSION ARCHITECTURE [SCRIPT TEXT]: with a configuration file, and one of the package's scripts
deb() {
	root=$(mktemp -d)
	chmod 755 "$root"
	mkdir -p "$root/DEBIAN" "$root/etc/$1" "$root/usr/share/doc/$1" "$root/usr/lib/$3/$1"
	echo "of $1" >"$root/etc/$1/setting"
	echo "$2" >"$root/usr/lib/$3/$1/version"
	echo "/etc/$1/setting" >"$root/DEBIAN/conffiles"
	printf '%s\n' "Package: $1" "Version: $2" "Architecture: $3" "Multi-Arch: same" "Maintainer: driftpin <driftpin@example.org>" \
		"Description: a test of driftpin's" " It does nothing." >"$root/DEBIAN/control"
	if [ $# -gt 3 ]; then
		printf '#!/bin/sh\n%s\n' "$5" >"$root/DEBIAN/$4"
		chmod 755 "$root/DEBIAN/$4"
	fi
	dpkg-deb --root-owner-group -Zgzip -b "$root" /made/debs/"$1_${2#*:}_$3.deb" >/dev/null
}
mkdir -p /made/debs
deb drift-lib 1.0-1 amd64
deb drift-lib 1.0-1 i386
for version in 1.0-1 1.1-1 1:0.9-1; do deb drift-tool $version amd64; done
deb drift-left 1.0 amd64
deb drift-purged 1.0 amd64
deb drift-kept 1.0 amd64
deb drift-unpacked 1.0 amd64
deb drift-broken 1.0 amd64 postinst 'exit 1'

# rpackage NAME VERSION [FIELD]
rpackage() {
	dir=/made/r/$1-$2
	mkdir -p "$dir/R"
	printf '%s\n' "Package: $1" "Version: $2" "Title: Test" "Author: driftpin" "Maintainer: driftpin <driftpin@example.org>" \
		"Description: A test." "License: GPL-3" ${3+"$3"} >"$dir/DESCRIPTION"
	echo 'export(version)' >"$dir/NAMESPACE"
	echo "version <- function() '$2'" >"$dir/R/version.R"
}
for version in 0.1.0 0.2.0 0.3-1; do rpackage drifty $version; done
rpackage gone 1.0
rpackage remote 1.0 "RemoteSha: 1111111111111111111111111111111111111111"
rpackage remote 1.0.1 "RemoteSha: 2222222222222222222222222222222222222222"

# python NAME VERSION: as of old, with a setup.py
python() {
	module=$(echo "$1" | tr . _)
	mkdir -p "/made/py/$1-$2"
	printf '%s\n' "from setuptools import setup" "setup(name='$1', version='$2', py_modules=['$module'], zip_safe=False)" >"/made/py/$1-$2/setup.py"
	echo "version = '$2'" >"/made/py/$1-$2/$module.py"
}
for name in egged flat linked edited Up_Grade.d; do
	python $name 1.0
	python $name 1.1
done

mkdir -p /made/npm/mine
echo '{"name": "@drift/mine", "version": "0.0.1"}' >/made/npm/mine/package.json

# A repository whose two commits have one version.
python fromgit 0.5
mv /made/py/fromgit-0.5 /made/fromgit
cd /made/fromgit
export GIT_AUTHOR_NAME=driftpin GIT_AUTHOR_EMAIL=driftpin@example.org GIT_AUTHOR_DATE=2024-01-01T00:00:00Z
export GIT_COMMITTER_NAME=driftpin GIT_COMMITTER_EMAIL=driftpin@example.org GIT_COMMITTER_DATE=2024-01-01T00:00:00Z
git init -q -b main .
git add .
git commit -q -m first
git tag one
echo "# more" >>fromgit.py
git commit -q -a -m second
git tag two
