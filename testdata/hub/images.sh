#!/bin/sh
# Make what the tests of launches need beside the demo's stat159: the same course bumped to jupyterlab 3.6.3, and to
# jupyterlab 4 by what bump proposes; and unpack the three, 1.7 GB each. Run from the top folder; images that are there
# are kept, also the demo's.
set -eu
driftpin=bin/driftpin courses=build/courses images=build/images
say() { printf '\n== %s\n' "$*" >&2; }

copy() { # name: a fresh copy of the demo's stat159
	rm -rf "$courses/$1"
	cp -R "$courses/stat159" "$courses/$1"
}

build() { # name
	say "build: $1"
	$driftpin build "$courses/$1" --relock-missing --progress plain --output "oci-layout:$images/$1"
}

[ -e $courses/stat159/pins.lock ] && [ -e $images/stat159/index.json ] || sh testdata/demo.sh

if [ ! -e $images/stat159-3.6.3/index.json ]; then
	say "bump: jupyterlab 3.6.3"
	copy stat159-3.6.3
	$driftpin bump $courses/stat159-3.6.3 jupyterlab=3.6.3 --as-of 2023-04-15 --write
	build stat159-3.6.3
fi

if [ ! -e $images/stat159-lab4/index.json ]; then
	say "bump: jupyterlab 4: what bump says would have to change with it"
	copy stat159-lab4
	course=$courses/stat159-lab4
	$driftpin bump $course jupyterlab=4.6.6 --as-of 2026-11-20 || [ $? = 1 ]
	say "bump: jupyterlab 4: what has to go, goes; then the launch that bump proposed, and the bump"
	sed -i -e '/jupyterlab-drawio/d' -e '/- pin: git+.*tmpystore/,/why: keeps/d' -e '/import tmpystore/d' -e '/# The server starts with/,$d' \
		-e 's/^  cmd: .*/  cmd: [jupyterhub-singleuser, --SQLiteYStore.db_path=\/tmp\/ystore.db]/' $course/pins.yaml # the test starts it for real
	$driftpin lock $course
	$driftpin bump $course jupyterlab=4.6.6 jupyter-server=2.21.1 jupyterlab-server=2.28.1 jupyterlab-spellchecker=0.9.0 requests=2.34.2 --as-of 2026-11-20 --write
	sed -i 's/^    # The hub$/    - {pin: jupyter-collaboration==5.0.4, need: hard, why: real-time collaboration is a package of its own since jupyterlab 4}\n&/' $course/pins.yaml
	$driftpin lock $course
	build stat159-lab4
fi

mkdir -p build/hub
echo 'module unpacked' >build/hub/go.mod # what images hold of Go is none of this module
for name in stat159 stat159-3.6.3 stat159-lab4; do
	bundle=build/hub/bundles/$name
	[ "$bundle/config.json" -nt "$images/$name/index.json" ] && continue
	say "unpack: $name"
	rm -rf "$bundle"
	mkdir -p build/hub/bundles
	tag=$(sed -n 's/.*"org.opencontainers.image.ref.name":"\([^"]*\)".*/\1/p' "$images/$name/index.json")
	umoci unpack --image "$images/$name:$tag" "$bundle"
done
