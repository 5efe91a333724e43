#!/bin/sh
# Becomes systemd in its namespaces: with a root that is the machine's with what is written to it in memory, a tree of control groups of its own,
# and no units but those in /run/units. The argument is a folder for the root.
set -eu
root=$1
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount --make-rprivate /
mount -t tmpfs tmpfs "$root"
mkdir "$root/upper" "$root/work" "$root/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$root/upper,workdir=$root/work" "$root/root"
cd "$root/root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount --bind /sys/fs/bpf sys/fs/bpf # the test looks into it
mount --rbind /dev dev
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mkdir -p run/units tmp/before
for target in sysinit basic shutdown umount network-online multi-user default; do
	printf '[Unit]\nDefaultDependencies=no\n' >"run/units/$target.target"
done
pivot_root . tmp/before
umount -l /tmp/before
exec env -i PATH="$PATH" container=test SYSTEMD_UNIT_PATH=/run/units /lib/systemd/systemd --system --log-target=null --show-status=no
