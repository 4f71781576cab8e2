#!/bin/bash
# Becomes systemd, as process 1 of namespaces of its own: its own /run, copies of /etc and /var that vanish with it, no
# journal, no other service, and the project under /mnt, where a user who is nobody can read it.
#   unshare --mount --pid --fork --cgroup --net --uts --ipc --mount-proc bash boot.sh FOLDER PYTHON PACKAGES PROJECT UNIT
set -euo pipefail
folder=$1 python=$2 packages=$3 project=$4 unit=$5

mount --make-rprivate /
mount -t tmpfs tmpfs /mnt
mkdir -p /mnt/{python,packages,project,test,overlays/{etc,var}{,.work}}
mount --bind "$python" /mnt/python
mount --bind "$packages" /mnt/packages
mount --bind "$project" /mnt/project
mount --bind "$folder" /mnt/test
for place in etc var; do
    mount -t overlay overlay -o "lowerdir=/$place,upperdir=/mnt/overlays/$place,workdir=/mnt/overlays/$place.work" /$place
done
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs tmpfs /run

rm -rf /etc/systemd/system
cp -r /mnt/test/system /etc/systemd/system
printf '[Unit]\nDefaultDependencies=no\nWants=%s\n' "$unit" >/etc/systemd/system/test.target
: >/etc/machine-id
exec env -i container=test PATH="$PATH" /lib/systemd/systemd --unit=test.target --log-target=console --show-status=no
