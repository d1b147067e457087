#!/bin/sh
# The first process of a machine, in mount, network, UTS, IPC and PID namespaces of its own.
# NAME is its host name, TREE the root file system that it shares with others, FILES the files that
# are laid over that, DISK its disk; SCRATCH is an empty folder.
set -eu

hostname "$NAME"
# A machine's files outside of its disk are lost in a power cut: they are in memory.
mount -t tmpfs -o mode=755 scratch "$SCRATCH"
cd "$SCRATCH"
mkdir upper work root
mount -t overlay -o "lowerdir=$FILES:$TREE,upperdir=upper,workdir=work" overlay root
cd root
mkdir -p proc sys dev run var/lib/docker
mount -t proc proc proc
mount -t sysfs sysfs sys
mount --rbind /sys/fs/cgroup sys/fs/cgroup
mount -t tmpfs -o mode=755 run run
mount -t tmpfs -o mode=755 dev dev
for device in null zero full random urandom tty; do
  : > "dev/$device"
  mount --bind "/dev/$device" "dev/$device"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount --bind "$DISK" var/lib/docker
echo "$NAME" > etc/hostname
printf '127.0.0.1 localhost\n127.0.1.1 %s\n' "$NAME" > etc/hosts
# There is no name server: unknown names are not looked up.
rm -f etc/resolv.conf
: > etc/resolv.conf

mkdir .host
pivot_root . .host
umount -l /.host
rmdir /.host
ip link set lo up
echo up
exec </dev/null >/dev/null 2>&1
while :; do sleep 3600; done
