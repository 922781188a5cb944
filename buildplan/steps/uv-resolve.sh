#!/bin/sh
# Say which wheels, and which source distributions, satisfy requirements. Nothing is built, nothing is installed.
#   uv-resolve.sh UV PYTHON IN OUT [OPTION...]
# IN/requirements.in is what is asked for, IN/preferences.txt what to stay with, IN/uv.toml what is known of packages,
# IN/given.txt what is there already: NAME==VERSION, for which wheels stand in /run/driftpin/given.
# OUT/requirements.txt has a package a line and who requires it, OUT/pylock.toml (PEP 751) files and hashes; where there
# is no solution, OUT/error.txt says why.
set -eu
uv=$1 python=$2 in=$3 out=$4; shift 4
export UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1 UV_CACHE_DIR=/var/cache/driftpin-uv
if [ -s /run/secrets/ca ]; then
	export SSL_CERT_FILE=/run/secrets/ca
fi
compile() {
	"$uv" pip compile --quiet --color never --python "$python" --no-header --annotation-style line "$@"
}
case " $* " in *" --no-deps "*) decided= ;; *) decided=--no-deps ;; esac
cd "$in"
if [ -s given.txt ]; then
	set -- "$@" --constraint given.txt --find-links /run/driftpin/given
fi
cp preferences.txt "$out/requirements.txt"
# The second run has everything decided, so it only looks up files, in what the first has read of the index.
files() { compile "$@" $decided --format pylock.toml --output-file "$out/pylock.toml" "$out/requirements.txt" >/dev/null 2>"$out/error.txt"; }
if compile "$@" --output-file "$out/requirements.txt" requirements.in >/dev/null 2>"$out/error.txt" && { files --offline "$@" || files "$@"; }; then
	rm "$out/error.txt"
fi
