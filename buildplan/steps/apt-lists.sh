#!/bin/sh
# Fetch the lists of packages of this root's own apt sources, and have apt read them, so that later steps need not.
# Exit status 69 if the sources can't be reached.
#   apt-lists.sh [keep]     network on; keep: not if the root has lists;  CA_BUNDLE may name a file of certificates
set -eu
export LC_ALL=C
# The sandbox user could not read a secret; translations are not wanted.
opts="-o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::Retries=3 ${CA_BUNDLE:+-o Acquire::https::CaInfo=$CA_BUNDLE}"

# apt itself waits for ever now and then, where a mirror changes under it.
update() { timeout -k 10 300 apt-get $opts -qq -o APT::Update::Error-Mode=any update; }
again() { [ $? = 124 ] && update; }
[ "${1:-}" = keep ] && ls /var/lib/apt/lists/*Packages* >/dev/null 2>&1 || update || again || exit 69
apt-cache gencaches
