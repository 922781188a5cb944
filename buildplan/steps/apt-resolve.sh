#!/bin/sh
# Say what apt would install for some pins, in this root, with the lists that lie there. Nothing is installed.
#   apt-resolve.sh OUT PIN...        network off; PIN: NAME or NAME=VERSION
# OUT/debs.tsv: name version arch path size sha256 uri depends provides, one package a line (depends: Pre-Depends and Depends).
# OUT/held.tsv: name version of those pins' packages that are installed already.
# On failure, exit 3 and OUT/error.txt: "unknown NAME", "version NAME VERSION" (then OUT/names, OUT/versions hold what
# there is), or what apt said.
set -eu
out=$1; shift
export LC_ALL=C DEBIAN_FRONTEND=noninteractive
mkdir -p "$out"; : >"$out/error.txt"

# apt takes an unknown name for a pattern, so look first.
apt-cache pkgnames | sort >"$out/names"
for pin; do
	name=${pin%%=*}; name=${name%%:*}
	grep -qxF -e "$name" "$out/names" || echo "unknown $name" >>"$out/error.txt"
done
[ ! -s "$out/error.txt" ] || exit 3
for pin; do
	case $pin in *=*) ;; *) continue ;; esac
	apt-cache madison "${pin%%=*}" | awk -v OFS='\t' '{print $1, $3}' | sort -u >>"$out/versions"
	grep -qxF -e "${pin%%=*}	${pin#*=}" "$out/versions" || echo "version ${pin%%=*} ${pin#*=}" >>"$out/error.txt"
done
[ ! -s "$out/error.txt" ] || exit 3

for pin; do
	name=${pin%%=*}; name=${name%%:*}
	dpkg-query --show --showformat '${Status}\t${Package}\t${Version}\n' "$name" 2>/dev/null || : # it is not there
done | sed -n 's/^[a-z]* ok installed\t//p' | sort -u >"$out/held.tsv"

get="apt-get -y --no-install-recommends --no-remove --allow-downgrades"
$get -q=1 --simulate install "$@" >"$out/plan" 2>"$out/error.txt" || { cat "$out/plan" >>"$out/error.txt"; exit 3; }
$get -qq --print-uris install "$@" >"$out/uris"
sed -n 's/^Inst \([^ ]*\) .*(\([^ ]*\) .*\[\([^]]*\)\]).*/\1:\3=\2/p' "$out/plan" >"$out/inst"
if [ -s "$out/inst" ]; then xargs apt-cache show --no-all-versions <"$out/inst"; fi >"$out/stanzas"

# An address's last part is NAME_VERSION_ARCH.deb, with an epoch's colon as %3a: the key of both.
awk -v OFS='\t' '
	NR == FNR { gsub(/\047/, "", $1); uri[$2] = $1; next }
	/^[A-Z][A-Za-z0-9-]*: / { f[$1] = substr($0, length($1) + 2) }
	/^$/ && ("Package:" in f) {
		v = f["Version:"]; sub(/:/, "%3a", v); key = f["Package:"] "_" v "_" f["Architecture:"] ".deb"
		d = f["Pre-Depends:"]; if (d != "" && f["Depends:"] != "") d = d ", "; d = d f["Depends:"]
		if (!(key in uri)) { print "no address for " key >"/dev/stderr"; exit 1 }
		print f["Package:"], f["Version:"], f["Architecture:"], f["Filename:"], f["Size:"], f["SHA256:"], uri[key], d, f["Provides:"]
		split("", f)
	}' "$out/uris" "$out/stanzas" | sort >"$out/debs.tsv"
[ "$(wc -l <"$out/uris")" = "$(wc -l <"$out/debs.tsv")" ] || { echo "apt: addresses and packages do not match" >"$out/error.txt"; exit 3; }
