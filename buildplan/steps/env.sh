#!/bin/sh
# Make the image's user, and an empty Python environment that root owns.
#   env.sh PYTHON PREFIX     PREFIX may be empty: no environment then
set -eu
python=$1 prefix=$2
umask 022
touch /tmp/start; sleep 0.05 # what is changed from now on is ours

# The user is known by number: a base that has a user 1000 keeps its name.
if ! getent passwd 1000 >/dev/null; then
	getent group 1000 >/dev/null || groupadd --gid 1000 jovyan
	useradd --uid 1000 --gid 1000 --shell /bin/bash --home-dir /home/jovyan --no-create-home --no-log-init jovyan
fi
if [ ! -d /home/jovyan ]; then
	cp -R /etc/skel /home/jovyan
	chown -R 1000:1000 /home/jovyan
	chmod 755 /home/jovyan
fi
rm -f /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow- /etc/subuid- /etc/subgid-
rm -f /var/log/lastlog /var/log/faillog

if [ -n "$prefix" ]; then
	"$python" -m venv --without-pip "$prefix"
fi

# Nothing that this step wrote is newer than the epoch; what is mounted is not ours.
mounts=$(awk '$5 != "/" { printf "-path %s -prune -o ", $5 }' /proc/self/mountinfo)
find / -xdev $mounts -cnewer /tmp/start -newermt "@$SOURCE_DATE_EPOCH" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
