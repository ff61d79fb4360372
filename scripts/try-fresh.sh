#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
#
# Does the project build and pass on a machine that has nothing but git and apt?  Makes such a tree
# with debootstrap in a temporary directory, clones the last commit into it, and runs there, in
# namespaces of its own: ./demo.sh --once, the same as a plain user without a network, ./test.sh.
# Packages come from where this machine's apt gets them.  Needs root and debootstrap.
#
# Usage: try-fresh.sh [--demo-only] [RELEASE]      (default: this machine's release)
set -eu
source=$(cd "$(dirname "$0")/.." && pwd)

demo_only=no
if [ "${1-}" = --demo-only ]; then
  demo_only=yes
  shift
fi
release=${1:-$(. /etc/os-release && echo "$VERSION_CODENAME")}
if [ "$(id -u)" != 0 ] || ! command -v debootstrap >/dev/null; then
  echo 'This needs root and the package debootstrap.' >&2
  exit 1
fi

# Where apt gets the release from, and how (proxy).
targets=$(apt-get indextargets --format '$(ORIGIN)|$(RELEASE)|$(COMPONENT)|$(REPO_URI)' \
            'Created-By: Packages' | sort -u)
mirror=$(sed -n "s/^[^|]*|$release|main|//p" <<<"$targets" | head -n 1)
if [ -z "$mirror" ]; then
  echo "apt on this machine has no source for $release." >&2
  exit 1
fi

tree=$(mktemp -d)
chmod 755 "$tree"
trap 'rm -rf --one-file-system "$tree"' EXIT

step () { printf '\n#### %s (%d:%02d)\n' "$*" $((SECONDS / 60)) $((SECONDS % 60)); }

step "A tree with git and apt: $release"
debootstrap --variant=minbase --include=git,ca-certificates "$release" "$tree" "$mirror" >"$tree.log" ||
  { tail -n 20 "$tree.log"; exit 1; }
rm -f "$tree.log"
sed -n "s/^\(Debian\|Ubuntu\|Raspbian\)|\($release[^|]*\)|main|\(.*\)$/deb \3 \2 main/p" <<<"$targets" \
  >"$tree/etc/apt/sources.list"
apt-config dump | grep -i '^Acquire::https\?' >"$tree/etc/apt/apt.conf.d/90host" || true
cp /etc/resolv.conf "$tree/etc/resolv.conf"
cp /etc/ssl/certs/ca-certificates.crt "$tree/etc/ssl/certs/ca-certificates.crt"
mkdir -p "$tree/home/user"
git clone -q --no-hardlinks "$source" "$tree/home/user/jkbmsd"

# in_tree NAME UNSHARE_OPTIONS -- COMMAND: in the tree, where processes and mounts end with the command.
in_tree ()
{
  local title=$1 options=() started=$SECONDS status=0
  shift
  while [ "$1" != -- ]; do
    options+=("$1")
    shift
  done
  shift
  step "$title"
  unshare --mount --pid --fork --kill-child --uts --ipc "${options[@]}" sh -c '
    mount -t proc proc "$0/proc"
    mount -t sysfs -o ro sysfs "$0/sys"
    mount -t tmpfs -o mode=755 tmpfs "$0/dev"
    for node in null zero full random urandom tty; do
      : >"$0/dev/$node"
      mount --bind "/dev/$node" "$0/dev/$node"
    done
    mkdir "$0/dev/pts" "$0/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$0/dev/pts"
    ln -s pts/ptmx "$0/dev/ptmx"
    ln -s /proc/self/fd "$0/dev/fd"
    mount -t tmpfs -o mode=1777 tmpfs "$0/dev/shm"
    ip link set lo up 2>/dev/null || true
    exec chroot "$0" /usr/bin/env -i HOME=/root TERM=dumb LANG=C.UTF-8 \
      PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin sh -c "$1"' "$tree" "$1" ||
    status=$?
  echo "#### ended with $status after $((SECONDS - started)) s"
  return $status
}

in_tree './demo.sh --once, which installs what it needs' -- 'cd /home/user/jkbmsd && ./demo.sh --once'
in_tree './demo.sh --once as a plain user, without a network' --net -- \
  'useradd -m user 2>/dev/null; chown -R user /home/user && su user -c "cd ~/jkbmsd && ./demo.sh --once | tail -n 5"'
[ $demo_only = yes ] || in_tree './test.sh' -- 'cd /home/user/jkbmsd && chown -R root . && ./test.sh'
