#!/bin/sh
# The main job, for the two courses: base, lock, build, verify, drift. Run by make demo, from the top folder.
# It works on a copy of the courses, so that the repository stays as it is. STANDIN is set by testdata/standin: the tag of
# its stand-in for tmpystore, where the real one can't be reached.
set -eu
driftpin=bin/driftpin courses=build/courses
say() { printf '\n== %s\n' "$*" >&2; }

sh testdata/base.sh

rm -rf $courses
mkdir -p build
cp -R testdata/courses $courses
if [ -n "${STANDIN:-}" ]; then
	say "tmpystore can't be had from GitHub: the copy in $courses asks for the stand-in, $STANDIN, and is locked with that"
	sed -i "s/tmpystore\.git@[0-9a-f]*/tmpystore.git@$STANDIN/" $courses/stat159/pins.yaml
fi

for course in stat159 data100; do
	if ! $driftpin lock --check $courses/$course; then
		say "lock: $course, anew"
		$driftpin lock $courses/$course
	fi
done

for course in stat159 data100; do
	say "build: $course" # what Debian has replaced since it was locked is locked anew
	$driftpin build $courses/$course --relock-missing --progress plain --output "oci-layout:build/images/{course}"
	$driftpin verify $courses/$course oci-layout:build/images/$course
done

say "drift: stat159 against data100"
$driftpin drift oci-layout:build/images/stat159 oci-layout:build/images/data100 \
	--course $courses/stat159 --course $courses/data100 || [ $? = 3 ]
