#!/bin/sh
# Install what the tests of launches and shared accounts run: JupyterHubs of the course's year and of today, their proxy,
# a browser, umoci. Run from the top folder.
set -eu
need=
python3=/usr/bin/python3
$python3 -c 'import ensurepip' 2>/dev/null || need="$need python3-venv"
command -v umoci >/dev/null || need="$need umoci"
command -v chromium >/dev/null || need="$need chromium fonts-dejavu-core"
command -v npm >/dev/null || need="$need nodejs npm"
sh testdata/deps.sh $need
venv() { # folder, requirements
	dir=build/hub/$1
	shift
	[ ! -e "$dir/bin/jupyterhub" ] || return 0
	$python3 -m venv "$dir"
	"$dir/bin/pip" -q --disable-pip-version-check install "$@"
}
mkdir -p build/hub
venv 3.1.1 jupyterhub==3.1.1 sqlalchemy==1.4.54 alembic==1.19.2 tornado==6.2
venv 6.1.1 jupyterhub==6.1.1
[ -e build/hub/node_modules/.bin/configurable-http-proxy ] ||
	npm --silent --no-audit --no-fund --prefix build/hub install configurable-http-proxy@4.6.3 >/dev/null
