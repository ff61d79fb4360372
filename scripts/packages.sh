# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
#
# Which packages of Debian, Ubuntu and Raspberry Pi OS building, the demo and the tests need, and how
# they are installed.  Sourced by demo.sh, test.sh and bench.sh; nothing else names packages.
#
# "a|b" is whichever of them apt knows (names differ between releases).

build_packages=(gcc libc6-dev meson ninja-build 'pkgconf|pkg-config' python3 gettext libglib2.0-dev
                libjson-glib-dev libpaho-mqtt-dev libsqlite3-dev libsystemd-dev libncurses-dev zlib1g-dev)

# Real parts for the private buses of demo and tests.
run_packages=(mosquitto mosquitto-clients 'dbus-daemon|dbus' systemd)

test_packages=(python3-gi python3-dbusmock openssl tmux zsh mandoc man-db socat ser2net spin libfaketime
               locales cppcheck dbus dbus-broker valgrind 'polkitd|policykit-1')

# For the builds with sanitizers, the fuzzers and clang-tidy; without them those parts are skipped.
sanitizer_packages=(clang llvm clang-tidy)

is_installed ()
{
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Prints those of the packages that are not here, "a|b" as a whole.
missing_packages ()
{
  local entry name
  for entry; do
    for name in ${entry//|/ }; do
      is_installed "$name" && continue 2
    done
    echo "$entry"
  done
}

# Prints one name that apt can install for each "a|b"; fails, naming it, when there is none.
resolve_packages ()
{
  local entry name
  for entry; do
    for name in ${entry//|/ }; do
      if [ -n "$(apt-cache madison "$name" 2>/dev/null)" ]; then
        echo "$name"
        continue 2
      fi
    done
    echo "apt knows no package ${entry//|/ or }" >&2
    return 1
  done
}

# apt-get as root, with nothing to answer.
as_root ()
{
  if [ "$(id -u)" = 0 ]; then
    env DEBIAN_FRONTEND=noninteractive "$@"
  elif command -v sudo >/dev/null; then
    sudo env DEBIAN_FRONTEND=noninteractive "$@"
  else
    echo "This needs root, and sudo is not here. As root, run: $*" >&2
    return 1
  fi
}

# Installs what is missing of the packages.  Some (mosquitto, ser2net) come with a service that Debian
# starts and enables.  The machine's own broker must stay what it was, so a package that was not here
# before is kept from starting (policy-rc.d, removed at once) and then disabled.
install_packages ()
{
  local -a missing names services
  local policy=/usr/sbin/policy-rc.d own_policy=no status name
  mapfile -t missing < <(missing_packages "$@")
  [ ${#missing[@]} -gt 0 ] || return 0
  if ! command -v apt-get >/dev/null; then
    echo "This machine has no apt. Install the equivalents of: ${missing[*]}" >&2
    return 1
  fi

  echo "These packages are missing: ${missing[*]}"
  [ "$(id -u)" = 0 ] || echo "apt-get needs root to install them; sudo may ask for your password."
  as_root apt-get -q=2 update || echo "apt-get update failed; trying with the lists that are here." >&2
  names=($(resolve_packages "${missing[@]}")) || return 1
  services=()
  for name in "${names[@]}"; do
    case $name in mosquitto|ser2net) services+=("$name") ;; esac
  done

  if [ ${#services[@]} -gt 0 ] && [ ! -e "$policy" ]; then
    own_policy=yes
    as_root sh -c "printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy" || return 1
  fi
  as_root apt-get -q=2 install --no-install-recommends -y "${names[@]}"
  status=$?
  if [ $own_policy = yes ]; then
    as_root rm -f "$policy"
  fi
  for name in "${services[@]}"; do
    if is_installed "$name" && [ -d /run/systemd/system ]; then
      as_root systemctl --quiet disable "$name.service" || true
      echo "$name is installed but its service is neither started nor enabled."
    fi
  done
  return $status
}

# The run-time part of clang's sanitizers is only recommended by clang, and its name has clang's
# version in it.
install_sanitizers ()
{
  local version
  install_packages "${sanitizer_packages[@]}" || return 1
  version=$(clang -dumpversion 2>/dev/null | cut -d. -f1)
  if [ -n "$(apt-cache madison "libclang-rt-$version-dev" 2>/dev/null)" ]; then
    install_packages "libclang-rt-$version-dev"
  fi
}
