#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
#
# What compilers and checkers find in src/ without running it: gcc -fanalyzer in a build of its own
# (build/analyse), then cppcheck and, where there is one, clang-tidy.  Any finding is an error.  That build is without the precompiled
# header, so it also finds files that do not include what they need.
set -eu -o pipefail
cd "$(dirname "$0")/.."

# What is left out, and why.  Neither tool knows GLib.
#   null-dereference  a GError is set exactly when the result is NULL or FALSE
#   memleak           g_thread_pool_push(), g_array_append_val() and the like take what they are given;
#                     LeakSanitizer watches every test for real leaks
gcc_options='-fanalyzer -Wno-analyzer-null-dereference'
cppcheck_options=(--enable=warning,performance,portability --suppress=memleak --suppress=missingInclude
                  --suppress=missingIncludeSystem --std=c11 --library=gtk '-DG_LOG_DOMAIN="jkbmsd"'
                  -D_GNU_SOURCE '-DG_GNUC_PRINTF(a,b)=' -I src --quiet --error-exitcode=1 -j 2)

# clang-tidy: mistakes that neither of them looks for (a number read from text without looking whether
# it fits, both branches alike, a string that ends nothing, ...); its own analyser is left to gcc's, it
# takes ten times as long.  Left out, because all that they found was right:
#   easily-swappable-parameters, reserved-identifier, assignment-in-if-condition: taste
#   narrowing-conversions, implicit-widening-of-multiplication-result, integer-division: of numbers whose
#     range is known; UBSan watches the rest
#   sizeof-expression: g_clear_pointer() and G_N_ELEMENTS() on arrays of pointers
#   not-null-terminated-result, macro-parentheses: bytes of the wire, macros that are expanded once
tidy_checks='-*,bugprone-*,cert-err34-c'
for check in easily-swappable-parameters reserved-identifier assignment-in-if-condition narrowing-conversions \
             implicit-widening-of-multiplication-result integer-division sizeof-expression \
             not-null-terminated-result macro-parentheses; do
  tidy_checks+=",-bugprone-$check"
done

# The commands of the build without what only gcc knows.
tidy ()
{
  mkdir -p build/analyse/tidy
  sed 's/ -fanalyzer / /; s/ -Wno-analyzer-[a-z-]* / /g' build/analyse/compile_commands.json \
    >build/analyse/tidy/compile_commands.json
  find src -name '*.c' -print0 |
    xargs -0 -P 2 -n 12 clang-tidy -p build/analyse/tidy --quiet --warnings-as-errors='*' \
      --checks="$tidy_checks" --extra-arg=-w 2>/dev/null
}

if [ ! -f build/analyse/build.ninja ]; then
  rm -rf build/analyse
  CC=gcc meson setup build/analyse -Dtests=false -Db_pch=false "-Dc_args=$gcc_options" >/dev/null
fi
ninja -C build/analyse | { grep -v '^\[' || true; }
cppcheck "${cppcheck_options[@]}" src
if command -v clang-tidy >/dev/null; then
  tidy
else
  echo 'clang-tidy is not installed; it is left out.'
fi
echo 'gcc -fanalyzer, cppcheck and clang-tidy find nothing in src/.'
