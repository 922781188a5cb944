#!/bin/sh
# Fetch uv's wheel with the pip of the base's apt: the one program that has to come before all others.
#   uv-fetch.sh VERSION SHA256 OUT     network on
set -eu
version=$1 sha256=$2 out=$3
opts="-o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::Retries=3 ${CA_BUNDLE:+-o Acquire::https::CaInfo=$CA_BUNDLE}"
# apt itself waits for ever now and then, where a mirror changes under it.
update() { timeout -k 10 300 apt-get $opts -qq -o APT::Update::Error-Mode=any update; }
again() { [ $? = 124 ] && update; }
update || again
apt-get $opts -qq -y --no-install-recommends install python3-pip >/dev/null

# pip knows its own names for where packages come from.
export PIP_INDEX_URL=${UV_DEFAULT_INDEX:-${UV_INDEX_URL:-}} PIP_EXTRA_INDEX_URL=${UV_EXTRA_INDEX_URL:-} PIP_TRUSTED_HOST=${UV_INSECURE_HOST:-}
for variable in PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_TRUSTED_HOST; do
	eval "[ -n \"\$$variable\" ] || unset $variable"
done
if [ -s "${CA_BUNDLE:-}" ]; then
	export PIP_CERT=$CA_BUNDLE
fi
echo "uv==$version --hash=sha256:$sha256" >/tmp/uv.txt
python3 -m pip download --quiet --disable-pip-version-check --no-cache-dir --no-deps --require-hashes --only-binary :all: --dest "$out" --requirement /tmp/uv.txt
