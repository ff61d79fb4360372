#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
#
# jkbms-soc.sh [THRESHOLD]: a table of the state of charge of every BMS, read with busctl.
# Ends with 1 when one is below THRESHOLD per cent (20 unless given), 2 when one is offline or its state
# of charge is unknown, 3 when jkbmsd does not answer: for cron, monitoring systems, scripts.
set -u
export LC_ALL=C.UTF-8

service=io.github.jkbmsd1
threshold=${1:-20}

# property PATH INTERFACE NAME: the value as busctl prints it, without its type.
property ()
{
  busctl get-property $service "$1" "$service.$2" "$3" | cut -d ' ' -f 2-
}

if ! paths=$(busctl --list tree $service); then
  echo 'jkbmsd does not answer; start it with: systemctl start jkbmsd' >&2
  exit 3
fi

status=0
printf '%-16s  %-20s  %6s  %9s\n' ID NAME SOC POWER
for path in $(echo "$paths" | grep "/bms/"); do
  name=$(property "$path" Bms Name | sed 's/^"\(.*\)"$/\1/')
  charge=$(property "$path" Telemetry StateOfCharge 2>/dev/null)
  power=$(property "$path" Telemetry Power 2>/dev/null)
  if [ "$(property "$path" Bms Online)" != true ] || [ "${charge:-nan}" = nan ]; then
    printf '%-16s  %-20s  %6s  %9s\n' "${path##*/}" "$name" '-' '-'
    [ $status = 1 ] || status=2
    continue
  fi
  printf '%-16s  %-20s  %4.0f %%  %7.0f W\n' "${path##*/}" "$name" "$charge" "$power"
  if awk "BEGIN { exit !($charge < $threshold) }"; then
    status=1
  fi
done
exit $status
