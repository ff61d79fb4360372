#!/bin/bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
#
# Boots a real systemd in a machine of its own: the files of this system with TREE laid over them, and
# no process, mount, network, device node, control group or file shared with what runs outside.
# jkbsystem.py calls it, as root, in a control group made for it:
#
#   unshare --fork --kill-child --pid --mount --net --uts --ipc --cgroup boot.sh DIRECTORY TREE
#
# DIRECTORY is an empty one to mount things in; nothing is ever written to it from inside.
set -eu
directory=$1 tree=$2

mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$directory"
mkdir "$directory/upper" "$directory/work" "$directory/root"
root=$directory/root
mount -t overlay -o "lowerdir=/,upperdir=$directory/upper,workdir=$directory/work" overlay "$root"

# What the kernel offers; nothing in /proc/sys or /sys can be changed from inside.
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for node in null zero full random urandom tty; do
  cp -a "/dev/$node" "$root/dev/$node"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"

# None of this system's own services, settings and logs.
rm -rf "$root"/etc/systemd/system/* "$root"/var/log/journal "$root"/var/lib/jkbmsd "$root"/etc/jkbmsd
: >"$root/etc/fstab"
mkdir "$root/var/log/journal"
tr -d - </proc/sys/kernel/random/uuid >"$root/etc/machine-id"
echo jkbtest >"$root/etc/hostname"
for unit in systemd-udevd systemd-udev-trigger systemd-modules-load systemd-sysctl systemd-random-seed \
            systemd-networkd systemd-resolved systemd-timesyncd systemd-binfmt systemd-pstore \
            systemd-update-utmp systemd-journal-catalog-update systemd-hwdb-update systemd-remount-fs \
            ldconfig modprobe@; do
  ln -s /dev/null "$root/etc/systemd/system/$unit.service"
done
for unit in systemd-udevd-control.socket systemd-udevd-kernel.socket systemd-journald-audit.socket \
            timers.target remote-fs.target swap.target proc-sys-fs-binfmt_misc.automount \
            sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount \
            sys-fs-fuse-connections.mount dev-hugepages.mount; do
  ln -s /dev/null "$root/etc/systemd/system/$unit"
done
printf '[Unit]\nRequires=basic.target dbus.socket\nAfter=basic.target dbus.socket\n' \
  >"$root/etc/systemd/system/jkbtest.target"
tar -C "$tree" -c . | tar -C "$root" -x --keep-directory-symlink # /lib may be a link to usr/lib

ip link set lo up
cd "$root"
mkdir old-root
pivot_root . old-root
umount -l old-root
rmdir old-root
# A container's manager decides about propagation, and systemd leaves it alone there. Credentials are
# mounted in a namespace of their own and must arrive in this one: it has to be shared.
mount --make-rshared /
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin container=jkbtest \
  /lib/systemd/systemd --system --unit=jkbtest.target --log-target=journal --show-status=no
