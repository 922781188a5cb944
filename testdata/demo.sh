#!/bin/sh
# The main job, for the two courses: base, lock, build, verify, drift. Run by make demo, from the top folder.
# TMPYSTORE is set by testdata/standin: the commit of its stand-in, if that serves tmpystore.
set -eu
driftpin=bin/driftpin
say() { printf '\n== %s\n' "$*" >&2; }

sh testdata/base.sh

for course in stat159 data100; do
	if ! $driftpin lock --check testdata/courses/$course; then
		say "lock: $course, anew"
		$driftpin lock testdata/courses/$course
	fi
done
if ! grep -q "tmpystore.git@${TMPYSTORE:-84765e1}" testdata/courses/stat159/pins.lock; then
	say "lock: stat159, for tmpystore comes from elsewhere than when it was locked"
	$driftpin lock --upgrade testdata/courses/stat159 tmpystore
fi

# Locked files go away: what Debian has replaced is locked anew.
build() {
	rm -f build/failed
	{ { $driftpin build testdata/courses/$1 --progress plain --output "oci-layout:build/images/{course}" 2>&1 >&3 || touch build/failed; } |
		tee build/build.log >&2; } 3>&1
	[ ! -e build/failed ]
}
for course in stat159 data100; do
	say "build: $course"
	build $course || {
		grep -q "can't be fetched any more" build/build.log || exit 1
		say "lock: $course, anew, for a locked file is no longer to be had"
		$driftpin lock --upgrade testdata/courses/$course
		build $course
	}
	$driftpin verify testdata/courses/$course oci-layout:build/images/$course
done

say "drift: stat159 against data100"
$driftpin drift oci-layout:build/images/stat159 oci-layout:build/images/data100 \
	--course testdata/courses/stat159 --course testdata/courses/data100 || [ $? = 3 ]
