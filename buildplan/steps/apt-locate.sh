#!/bin/sh
# Say where packages lie, by the lists of this root's own sources.
#   apt-locate.sh SPECS OUT     network off; SPECS has NAME=VERSION a line
# OUT/addresses.tsv: sha256, address and NAME=VERSION of each that is still there.
set -eu
specs=$1 out=$2
# What the lists do not have would make apt refuse all.
xargs apt-cache show <"$specs" 2>/dev/null | awk '
	/^Package: /{p=$2} /^Version: /{v=$2} /^Architecture: /{a=$2} /^SHA256: /{h=$2}
	/^$/{ w=v; sub(/:/, "%3a", w); print p "=" v "\t" p "_" w "_" a ".deb\t" h; p="" }' >/tmp/there
cut -f1 /tmp/there | sort -u >/tmp/have
sort -u "$specs" | comm -12 - /tmp/have >/tmp/ask
[ -s /tmp/ask ] || { : >"$out/addresses.tsv"; exit 0; }
cd /tmp
xargs apt-get -qq --print-uris download </tmp/ask >/tmp/uris
awk -F'\t' 'NR == FNR { split($0, f, " "); gsub(/\047/, "", f[1]); uri[f[2]] = f[1]; next } $2 in uri { print $3 "\t" uri[$2] "\t" $1 }' /tmp/uris /tmp/there >"$out/addresses.tsv"
