#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
#
# jkbms-export.sh DIRECTORY [DAYS]: writes the settings of every BMS to DIRECTORY/ID-DATE.conf, and removes
# exports that are older than DAYS (365 unless given). "jkbmsctl apply ID FILE" writes one back.
# jkbms-export.timer runs it every day.
set -u

directory=${1:?which directory?}
days=${2:-365}

if ! paths=$(busctl --list tree io.github.jkbmsd1); then
  echo 'jkbmsd does not answer; start it with: systemctl start jkbmsd' >&2
  exit 1
fi

status=0
for id in $(echo "$paths" | sed -n 's|^/io/github/jkbmsd1/bms/||p'); do
  # jkbmsctl says why it cannot; the others are exported all the same.
  jkbmsctl settings "$id" --export "$directory/$id-$(date +%F).conf" || status=1
done
find "$directory" -maxdepth 1 -name '*_*-????-??-??.conf' -mtime "+$days" -delete
exit $status
