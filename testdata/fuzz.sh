#!/bin/sh
# Run each fuzz target of the module for a while.   fuzz.sh TIME
# Where the time ends while go makes an input smaller, it reports a failure without an input: that is none of the target's.
set -eu
log=$(mktemp)
trap 'rm -f "$log"' EXIT
targets=$(grep -r --include=*_test.go '^func Fuzz' . | sed 's/^\(.*\)\/[^/]*:func \(Fuzz[A-Za-z0-9]*\).*/\1 \2/')
echo "$targets" | while read -r package target; do
	go test "$package" -run '^$' -fuzz "^$target\$" -fuzztime "$1" -fuzzminimizetime 10x >"$log" 2>&1 && { cat "$log"; continue; }
	cat "$log"
	grep -q 'context deadline exceeded' "$log" && ! grep -q 'Failing input' "$log" || exit 1
done
