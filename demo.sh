#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
#
# Six simulated batteries on two buses, jkbmsd, a private D-Bus daemon and a private MQTT broker: a
# live view of what arrives, until Ctrl-C.  ./demo.sh --once prints one snapshot of every BMS instead.
# Installs what is missing, builds into build/demo (build/gcc where ./test.sh has made that), and
# leaves the machine's own bus, broker and configuration alone.  Needs no root.
set -eu
cd "$(dirname "$0")"
. scripts/packages.sh

once=no
case "${1-}" in
  '') ;;
  --once) once=yes ;;
  *) echo "Usage: $0 [--once]" >&2; exit 2 ;;
esac

install_packages "${build_packages[@]}" "${run_packages[@]}"
PATH=$PATH:/usr/sbin

build=build/demo
[ ! -f build/gcc/build.ninja ] || build=build/gcc
programs=(src/daemon/jkbmsd src/sim/jkbms-sim src/ctl/jkbmsctl)
dir=$(mktemp -d)
children=()

clean_up ()
{
  trap '' EXIT INT TERM
  # In reverse, so that the daemon says goodbye to a broker that still listens.
  local n
  for ((n = ${#children[@]} - 1; n >= 0; n--)); do
    kill "${children[n]}" 2>/dev/null || continue
    wait "${children[n]}" 2>/dev/null || true
  done
  rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Shows the end of a log and gives up.
give_up ()
{
  echo "$1" >&2
  [ ! -f "${2-}" ] || tail -n 30 "$2" >&2
  exit 1
}

# wait_for SECONDS COMMAND...: until the command succeeds.
wait_for ()
{
  local n=$(($1 * 10))
  shift
  until "$@" >/dev/null 2>&1; do
    [ $((n -= 1)) -gt 0 ] || return 1
    sleep 0.1
  done
}

# start NAME COMMAND...: in the background, with its output in $dir/NAME.log.
start ()
{
  local name=$1
  shift
  # A shell without job control gives background commands no SIGINT; they end with clean_up.
  "$@" >"$dir/$name.log" 2>&1 </dev/null &
  children+=($!)
}

is_ready () { grep -Eq '^(pty|listening on) ' "$dir/$1.log"; }
listens () { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

echo "Building in $build; the first time this takes one to several minutes ..."
if ! { [ -f $build/build.ninja ] || meson setup $build -Dtests=false; } >"$dir/build.log" 2>&1 ||
   ! ninja -C $build "${programs[@]}" >>"$dir/build.log" 2>&1 ||
   ! ninja -C $build jkbmsd-gmo >>"$dir/build.log" 2>&1; then
  give_up 'The build failed:' "$dir/build.log"
fi
jkbmsd=$build/src/daemon/jkbmsd
sim=$build/src/sim/jkbms-sim
export JKBMSD_LOCALEDIR=$PWD/$build/po

# A D-Bus daemon of our own.
address=unix:path=$dir/dbus
cat >"$dir/dbus.conf" <<END
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>$address</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
END
start dbus dbus-daemon --config-file="$dir/dbus.conf" --nofork --nopidfile
wait_for 10 test -S "$dir/dbus" || give_up 'dbus-daemon did not start:' "$dir/dbus.log"

# A broker of our own.
until [ -n "${mqtt_port-}" ] && ! listens "$mqtt_port"; do
  mqtt_port=$((20000 + RANDOM % 12000))
done
printf 'listener %s 127.0.0.1\nallow_anonymous true\npersistence false\nlog_dest stderr\n' \
  "$mqtt_port" >"$dir/mosquitto.conf"
[ "$(id -u)" != 0 ] || echo 'user root' >>"$dir/mosquitto.conf"
start mosquitto mosquitto -c "$dir/mosquitto.conf"
wait_for 10 listens "$mqtt_port" || give_up 'mosquitto did not start:' "$dir/mosquitto.log"

# Two RS485 buses: a master and three slaves on a (pseudo) serial port, two more BMS behind TCP.
start garage "$sim" --pty "$dir/garage" --bms 0,1,2,3 --master --rate line --time-lapse 60 --seed 1
wait_for 10 is_ready garage || give_up 'jkbms-sim did not start:' "$dir/garage.log"
start shed "$sim" --listen tcp:127.0.0.1:0 --bms 0,1 --master --rate line --time-lapse 60 \
  --cells 8 --seed 2
wait_for 10 is_ready shed || give_up 'jkbms-sim did not start:' "$dir/shed.log"
shed=$(sed -n 's/^listening on //p' "$dir/shed.log")

mkdir "$dir/state"
cat >"$dir/jkbmsd.conf" <<END
[mqtt]
uri=mqtt://127.0.0.1:$mqtt_port
interval=2
cells-interval=10

[bus garage]
uri=serial:$dir/garage
mode=listen

[bus shed]
uri=$shed
mode=listen
END
start jkbmsd "$jkbmsd" --config "$dir/jkbmsd.conf" --state-dir "$dir/state" --bus-address "$address"
daemon=${children[-1]}

all_bms='garage_0 garage_1 garage_2 garage_3 shed_0 shed_1'
ctl () { "$build/src/ctl/jkbmsctl" --bus-address "$address" "$@"; }
is_known () { ctl get "$1" state_of_charge && ctl get "$1" device_address; }
for bms in $all_bms; do
  wait_for 30 is_known "$bms" || give_up "$bms did not appear. jkbmsd said:" "$dir/jkbmsd.log"
done

if [ $once = yes ]; then
  ctl list
  for bms in $all_bms; do
    echo
    ctl show "$bms"
  done
  exit 0
fi

# mosquitto_sub prints a line per message; the view shows the newest.
start messages mosquitto_sub -p "$mqtt_port" -t 'jkbms/#' -F '%t  %p'

view ()
{
  local width=${COLUMNS:-$(tput cols 2>/dev/null || echo 100)}
  cat <<END
jkbmsd demo: six simulated BMS on two RS485 buses. Ctrl-C ends everything.
Try in another terminal:
  busctl --address=$address tree io.github.jkbmsd1
  busctl --address=$address introspect io.github.jkbmsd1 /io/github/jkbmsd1/bms/garage_1
  mosquitto_sub -p $mqtt_port -v -t 'jkbms/#' -t 'homeassistant/#'
  export JKBMSD_BUS_ADDRESS=$address JKBMSD_LOCALEDIR=$(printf %q "$JKBMSD_LOCALEDIR")
  PATH=\$PATH:$(printf %q "$PWD/$build/src/ctl")
  jkbmsctl top
  jkbmsctl show garage_1
  jkbmsctl history garage_1 current --plot
  jkbmsctl doctor

D-Bus:
END
  ctl list --no-color || true
  echo
  echo 'MQTT, newest messages:'
  tail -n 8 "$dir/messages.log" | cut -c "1-$((width - 1))"
}

while kill -0 "$daemon" 2>/dev/null; do
  screen=$(view)
  [ ! -t 1 ] || printf '\033[H\033[2J'
  printf '%s\n' "$screen"
  sleep 1 &
  wait $! # a signal ends this at once
done
give_up 'jkbmsd ended:' "$dir/jkbmsd.log"
