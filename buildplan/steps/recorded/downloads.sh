#!/bin/sh
# Place the course's downloads: file number N of /run/driftpin/downloads goes to TARGET, or is unpacked there.
#   downloads.sh copy|unpack TARGET...
set -eu
umask 022
touch /tmp/start; sleep 0.05 # what is changed from now on is ours
i=0
while [ $# -gt 0 ]; do
	file=$(printf '/run/driftpin/downloads/%04d' $i)
	if [ "$1" = copy ]; then
		if [ -d "$2" ]; then
			echo "$2 is a folder in the image: name the file in it" >&2
			exit 1
		fi
		mkdir -p "$(dirname "$2")"
		cp "$file" "$2"
	else
		mkdir -p "$2"
		if [ "$(head -c 2 "$file")" = PK ]; then
			if command -v unzip >/dev/null; then unzip -q -o "$file" -d "$2"; else python3 -m zipfile -e "$file" "$2"; fi
		else
			tar -x --no-same-owner -f "$file" -C "$2"
		fi
	fi
	i=$((i + 1))
	shift 2
done
# What lies in the user's home is the user's.
find /home/jovyan -cnewer /tmp/start -exec chown -h 1000:1000 {} +

# Nothing that this step wrote is newer than the epoch; what is mounted is not ours.
mounts=$(awk '$5 != "/" { printf "-path %s -prune -o ", $5 }' /proc/self/mountinfo)
find / -xdev $mounts -cnewer /tmp/start -newermt "@$SOURCE_DATE_EPOCH" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
