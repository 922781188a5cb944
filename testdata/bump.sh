#!/bin/sh
# How long a bump's dry run takes beside uv alone, on the same requirements and with warm caches: medians of RUNS, taken in turn.
#   bump.sh [RUNS]     from the top folder, after make demo; UV names a uv (default: the one in PATH)
set -eu
runs=${1:-7} course=build/courses/stat159 uv=${UV:-uv} out=build/bump
rm -rf $out; mkdir -p $out
grep -q '^pip ' $course/pins.lock || { echo "$course is not locked" >&2; exit 1; }
# uv is given what driftpin gives it, but for what comes from git, and writes hashes as a lock has them.
bin/driftpin pins $course --format json | sed -n 's/^ *"spec": "\([A-Za-z0-9._-]*[^"+ ]*==[^"+]*\)",$/\1/p' >$out/requirements.in
date=$(sed -n 's/^as-of: *\([0-9-]*\).*/\1/p' $course/pins.yaml)
$uv pip compile --quiet --exclude-newer "$date" --generate-hashes --output-file $out/requirements.txt $out/requirements.in >/dev/null

seconds() { start=$(date +%s%N); "$@" >$out/said 2>&1 || { cat $out/said >&2; exit 1; }; echo $((($(date +%s%N) - start) / 1000000)); }
bump() { bin/driftpin bump $course coverage=7.0.4 --progress quiet; }
compile() {
	sed 's/^coverage==.*/coverage==7.0.4/' $out/requirements.in >$out/bumped.in
	cp $out/requirements.txt $out/bumped.txt
	$uv pip compile --quiet --exclude-newer "$date" --generate-hashes --output-file $out/bumped.txt $out/bumped.in
}
bump >/dev/null 2>&1; compile >/dev/null
i=0
while [ $i -lt "$runs" ]; do
	seconds bump >>$out/driftpin
	seconds compile >>$out/uv
	i=$((i + 1))
done
median() { sort -n "$1" | sed -n "$((runs / 2 + 1))p"; }
echo "driftpin bump $(median $out/driftpin) ms, uv pip compile $(median $out/uv) ms, of $runs runs each"
awk -v a="$(median $out/driftpin)" -v b="$(median $out/uv)" 'BEGIN { printf "driftpin : uv %.2f\n", a / b }'
