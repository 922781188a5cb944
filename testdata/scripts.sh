#!/bin/sh
# Lint the scripts: those that run in build steps, and our own. What is not installed (shellcheck, pyflakes3, node) is passed
# over, unless DRIFTPIN_REQUIRE_NET says that it must be there.
set -eu
cd "$(dirname "$0")/.."
missing() {
	[ -z "${DRIFTPIN_REQUIRE_NET:-}" ] || { echo "scripts.sh: $1 is not installed" >&2; exit 1; }
	echo "scripts.sh: $1 is not installed: its part is left out" >&2
}

for script in buildplan/steps/*.sh buildplan/steps/recorded/*.sh buildplan/debian/*.sh testdata/*.sh testdata/hub/*.sh; do
	sh -n "$script"
done
# SC2115: the variable is a constant of the script. SC3013: -nt is in every sh that we know.
if command -v shellcheck >/dev/null; then
	shellcheck --shell=sh --severity=warning --exclude=SC2115,SC3013 buildplan/steps/*.sh buildplan/steps/recorded/*.sh buildplan/debian/*.sh testdata/*.sh testdata/hub/*.sh
else
	missing shellcheck
fi
perl -c buildplan/steps/recorded/run-script.pl 2>/dev/null
# One import that nobody uses stays: with other bytes of a script every plan would have another digest.
if command -v pyflakes3 >/dev/null; then
	! pyflakes3 buildplan/steps/*.py buildplan/steps/recorded/*.py | grep -v "conda-provides.py:9:1: 'asyncio' imported but unused"
else
	missing pyflakes3
fi
if command -v node >/dev/null; then
	for script in buildplan/steps/*.js images/report/*.js; do
		node --check "$script"
	done
else
	missing node
fi
