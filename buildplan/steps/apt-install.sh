#!/bin/sh
# Install the .debs of a folder: offline, nothing started, the same tree every time.
#   apt-install.sh DEBS     as root, network off; DEBS holds all that is missing (apt-resolve.sh says what)
set -eu
export TZ=UTC DEBCONF_NONINTERACTIVE_SEEN=true FORCE_SOURCE_DATE=1
umask 022
touch /tmp/start; sleep 0.05 # what changes from now on is ours

# Packages ask this whether they may start their services.
policy=/usr/sbin/policy-rc.d
[ ! -e $policy ] || mv $policy $policy.kept
printf '#!/bin/sh\nexit 101\n' >$policy; chmod 755 $policy

apt-get -qq -y -o Dpkg::Use-Pty=0 -o APT::Sandbox::User=root -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= \
	-o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
	--no-install-recommends --no-remove --allow-downgrades install "$1"/*.deb </dev/null

rm $policy
[ ! -e $policy.kept ] || mv $policy.kept $policy

# What tells one installation from another: logs, backups, caches that are rebuilt when wanted, identities.
rm -rf /var/log/apt /var/log/dpkg.log /var/log/alternatives.log /var/log/fontconfig.log /var/lib/dbus/machine-id
rm -rf /var/cache/ldconfig/aux-cache /var/cache/apt/*.bin /etc/ssh/ssh_host_*
rm -f /var/cache/debconf/*-old /var/lib/dpkg/*-old /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow- /etc/subuid- /etc/subgid-
find /var/log -type f -size +0 -exec truncate -s 0 {} +
find /var/lib/apt/lists /var/cache/apt/archives -type f ! -name lock -delete
[ ! -s /etc/machine-id ] || : >/etc/machine-id

# TeX: plain and Lua formats come out differently each time (TeX makes them anew on first use); its file list is in the disk's order.
tex=/var/lib/texmf
if [ -d $tex/web2c ]; then
	rm -rf $tex/web2c/*.log $tex/web2c/*/*.log $tex/web2c/*/tex.fmt $tex/web2c/*/pdftex.fmt $tex/web2c/*/xetex.fmt $tex/web2c/lua*
	mktexlsr $tex >/dev/null 2>&1
	perl -i -00 -pe 'my ($dir, @names) = split /\n/; $_ = join("\n", $dir, sort @names) . "\n\n" unless /^%/' $tex/ls-R
fi

# Bytecode carries its source's time, which changes below: compile ours anew, to be believed without a look at the source.
[ ! -x /usr/bin/python3 ] || /usr/bin/python3 -W ignore - <<'P'
import importlib.util, os, py_compile
started = os.stat("/tmp/start").st_ctime_ns
for folder, _, files in os.walk("/usr"):
    for pyc in (os.path.join(folder, f) for f in sorted(files) if folder.endswith("/__pycache__") and f.endswith(".pyc")):
        if os.stat(pyc).st_ctime_ns <= started:
            continue
        with open(pyc, "rb") as f:
            if f.read(5)[4:] == b"\1":
                continue
        source = importlib.util.source_from_cache(pyc)
        os.remove(pyc)
        if os.path.exists(source) and pyc == importlib.util.cache_from_source(source):
            py_compile.compile(source, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH, quiet=2)
P

# Nothing that this step wrote is newer than the epoch; what is mounted is not ours.
mounts=$(awk '$5 != "/" { printf "-path %s -prune -o ", $5 }' /proc/self/mountinfo)
find / -xdev $mounts -cnewer /tmp/start -newermt "@$SOURCE_DATE_EPOCH" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
