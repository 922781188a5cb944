#!/bin/sh
# Run the scripts that conda packages bring to be run after they were installed, as conda runs them.
#   post-links.sh ENVIRONMENT [PACKAGE VERSION BUILDNUMBER]...
set -eu
umask 022
environment=$1
shift
touch /tmp/start; sleep 0.05 # what is changed from now on is ours
shell=/bin/sh
[ ! -x /bin/bash ] || shell=/bin/bash
export PREFIX="$environment" ROOT_PREFIX="$environment" CONDA_PREFIX="$environment" PATH="$environment/bin:$PATH" HOME=/tmp
while [ $# -gt 0 ]; do
	if ! PKG_NAME=$1 PKG_VERSION=$2 PKG_BUILDNUM=$3 "$shell" "$environment/bin/.$1-post-link.sh"; then
		echo "the script that the conda package $1 runs after its installation failed: scripts: false leaves it out" >&2
		exit 1
	fi
	if [ -e "$environment/.messages.txt" ]; then # what conda shows the user
		cat "$environment/.messages.txt"
		rm "$environment/.messages.txt"
	fi
	shift 3
done

# Nothing that this step wrote is newer than the epoch; what is mounted is not ours, nor are files of other layers that the
# engine has linked into yet others since, which changes them too.
mounts=$(awk '$5 != "/" { printf "-path %s -prune -o ", $5 }' /proc/self/mountinfo)
find / -xdev $mounts -cnewer /tmp/start -newermt "@$SOURCE_DATE_EPOCH" \( -links 1 -o -type d -o -newer /tmp/start \) -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
