#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
#
# Measures what the daemon costs: CPU and wake-ups per frame, share of a core, memory.  Builds into
# build/bench.  Nothing passes or fails here.  Usage: ./bench.sh [SECONDS PER SCENARIO]
set -eu
cd "$(dirname "$0")"
. scripts/packages.sh

install_packages "${build_packages[@]}" "${run_packages[@]}" "${test_packages[@]}"
[ -f build/bench/build.ninja ] || meson setup build/bench --buildtype=release -Dtests=false
ninja -C build/bench
export JKBMSD=build/bench/src/daemon/jkbmsd JKBMS_SIM=build/bench/src/sim/jkbms-sim
exec /usr/bin/python3 tests/bench/whole_daemon.py "$@"
