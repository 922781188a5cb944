#!/bin/sh
# Run each fuzz target of the module for a while.   fuzz.sh TIME
set -eu
grep -rl --include=*_test.go '^func Fuzz' . | while read -r file; do
	package=./$(dirname "$file")
	sed -n 's/^func \(Fuzz[A-Za-z0-9]*\).*/\1/p' "$file" | while read -r target; do
		go test "$package" -run '^$' -fuzz "^$target\$" -fuzztime "$1"
	done
done
