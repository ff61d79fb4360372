#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
#
# Measures what the parts and the whole daemon cost, beside a floor program: CPU and wake-ups per
# frame, latency, memory, what grows with what.  Builds into build/bench.  Nothing passes or fails
# here; docs/performance.md says how to read it.
# Usage: ./bench.sh [--long] [SECONDS PER MEASUREMENT]
set -eu
cd "$(dirname "$0")"
. scripts/packages.sh

install_packages "${build_packages[@]}" "${run_packages[@]}" "${test_packages[@]}"
[ -f build/bench/build.ninja ] || meson setup build/bench --buildtype=release
ninja -C build/bench src/daemon/jkbmsd src/sim/jkbms-sim tests/bench/bench-floor \
  tests/bench/bench-wire tests/bench/bench-parts
build/bench/tests/bench/bench-wire
build/bench/tests/bench/bench-parts
export JKBMSD=build/bench/src/daemon/jkbmsd JKBMS_SIM=build/bench/src/sim/jkbms-sim
export JKB_FLOOR=build/bench/tests/bench/bench-floor
exec /usr/bin/python3 tests/bench/whole_daemon.py "$@"
