#!/bin/sh
# Unpack the course's folder, which the image's user owns.
#   folder.sh ARCHIVE DIR PREFIX EXECUTABLE...
set -eu
archive=$1 dir=$2 prefix=$3
shift 3
umask 022
touch /tmp/start; sleep 0.05 # what is changed from now on is ours
mkdir -p "$dir"
chown 1000:1000 "$dir"
tar -x -p --same-owner --numeric-owner -f "$archive" -C "$dir"
for file; do
	chmod +x "$file"
done
# Where repo2docker has the environment: scripts name the path.
if [ ! -e /srv/conda ]; then
	mkdir -p /srv/conda/envs
	ln -s "$prefix" /srv/conda/envs/notebook
fi

# Nothing that this step wrote is newer than the epoch; what is mounted is not ours.
mounts=$(awk '$5 != "/" { printf "-path %s -prune -o ", $5 }' /proc/self/mountinfo)
find / -xdev $mounts -cnewer /tmp/start -newermt "@$SOURCE_DATE_EPOCH" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
