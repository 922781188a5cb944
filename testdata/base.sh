#!/bin/sh
# Make the base of the courses, if it is not there yet: Debian 12 from its packages. Run from the top folder.
set -eu
base=build/base/bookworm
[ ! -e $base/index.json ] || exit 0
echo "== base: Debian 12 from its packages" >&2
mkdir -p build
cp testdata/base.lock build/base.lock
bin/driftpin base --suite bookworm --lock build/base.lock $base || {
	echo "== Debian's archive has moved on from testdata/base.lock: taking today's packages" >&2
	bin/driftpin base --suite bookworm --lock build/base.lock --upgrade $base
}
