#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
#
# What compilers and checkers find in src/ without running it: gcc -fanalyzer in a build of its own
# (build/analyse), then cppcheck.  Any finding is an error.  That build is without the precompiled
# header, so it also finds files that do not include what they need.
set -eu
cd "$(dirname "$0")/.."

# What is left out, and why.  Neither tool knows GLib.
#   null-dereference  a GError is set exactly when the result is NULL or FALSE
#   memleak           g_thread_pool_push(), g_array_append_val() and the like take what they are given;
#                     LeakSanitizer watches every test for real leaks
gcc_options='-fanalyzer -Wno-analyzer-null-dereference'
cppcheck_options=(--enable=warning,performance,portability --suppress=memleak --suppress=missingInclude
                  --suppress=missingIncludeSystem --std=c11 --library=gtk '-DG_LOG_DOMAIN="jkbmsd"'
                  -D_GNU_SOURCE '-DG_GNUC_PRINTF(a,b)=' -I src --quiet --error-exitcode=1 -j 2)

if [ ! -f build/analyse/build.ninja ]; then
  rm -rf build/analyse
  CC=gcc meson setup build/analyse -Dtests=false -Db_pch=false "-Dc_args=$gcc_options" >/dev/null
fi
ninja -C build/analyse | grep -v '^\[' || [ "${PIPESTATUS[0]}" = 0 ]
cppcheck "${cppcheck_options[@]}" src
echo 'gcc -fanalyzer and cppcheck find nothing in src/.'
