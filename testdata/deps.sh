#!/bin/sh
# Install what driftpin's demo and tests run: runc, git, mmdebstrap, and the packages that are named. Go is expected to be
# there.   deps.sh [PACKAGE…]
set -eu
need=${*:+ $*}
command -v runc >/dev/null || need="$need runc"
command -v git >/dev/null || need="$need git"
command -v mmdebstrap >/dev/null || need="$need mmdebstrap"
[ -e /etc/ssl/certs/ca-certificates.crt ] || need="$need ca-certificates"
[ -n "$need" ] || exit 0
if ! command -v apt-get >/dev/null; then
	echo "this system has no apt-get: install$need yourself" >&2
	exit 1
fi
sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
echo "installing$need" >&2
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get -qq update
$sudo apt-get -qq -y --no-install-recommends install $need >/dev/null
