#!/bin/sh
# The main job, for the two courses: base, lock, build, verify, drift. Run by make demo, from the top folder.
set -eu
driftpin=bin/driftpin
base=build/base/bookworm
say() { printf '\n== %s\n' "$*" >&2; }

if [ ! -e $base/index.json ]; then
	say "base: Debian 12 from its packages"
	cp testdata/base.lock build/base.lock 2>/dev/null || { mkdir -p build && cp testdata/base.lock build/base.lock; }
	$driftpin base --suite bookworm --lock build/base.lock $base || {
		say "Debian's archive has moved on from testdata/base.lock: taking today's packages"
		$driftpin base --suite bookworm --lock build/base.lock --upgrade $base
	}
fi

for course in stat159 data100; do
	if ! $driftpin lock --check testdata/courses/$course; then
		say "lock: $course, anew"
		$driftpin lock testdata/courses/$course
	fi
done

for course in stat159 data100; do
	say "build: $course"
	$driftpin build testdata/courses/$course --output "oci-layout:build/images/{course}" || {
		say "a locked file is no longer to be had: locking $course anew"
		$driftpin lock --upgrade testdata/courses/$course
		$driftpin build testdata/courses/$course --output "oci-layout:build/images/{course}"
	}
	$driftpin verify testdata/courses/$course oci-layout:build/images/$course
done

say "drift: stat159 against data100"
$driftpin drift oci-layout:build/images/stat159 oci-layout:build/images/data100 \
	--course testdata/courses/stat159 --course testdata/courses/data100 || [ $? = 3 ]
