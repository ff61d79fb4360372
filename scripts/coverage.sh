#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
#
# What the fuzzers reach: builds them in build/coverage with clang's counters, runs each on its seeds
# and then for a while (scripts/coverage.sh [SECONDS], default 20), and prints the lines reached of
# each file of src/wire and of the configuration parser.  Fails below 95 % and 90 %.  What they find
# on the way is kept in build/coverage/corpus, and used the next time.
set -eu -o pipefail
cd "$(dirname "$0")/.."
seconds=${1:-20}
dir=build/coverage
flags='-fprofile-instr-generate -fcoverage-mapping'

suffix=
command -v llvm-cov >/dev/null || suffix=-$(clang -dumpversion | cut -d. -f1)
if [ ! -f $dir/build.ninja ]; then
  rm -rf $dir
  CC=clang meson setup $dir -Dfuzzers=true -Db_lundef=false -Db_pch=false \
    "-Dc_args=$flags" "-Dc_link_args=$flags" >/dev/null
fi
mapfile -t targets < <(sed -n 's/^build \(tests\/fuzz\/fuzz-[a-z]*\): .*/\1/p' $dir/build.ninja)
ninja -C $dir "${targets[@]}" | { grep -v '^\[' || true; }

rm -rf $dir/profiles
mkdir -p $dir/profiles
run ()
{
  local name=$1 corpus=$dir/corpus/$1
  local -a options=()
  mkdir -p "$corpus"
  [ ! -f "tests/fuzz/dict/$name.dict" ] || options+=("-dict=tests/fuzz/dict/$name.dict")
  LLVM_PROFILE_FILE=$dir/profiles/$name.profraw "$dir/tests/fuzz/$name" "-max_total_time=$seconds" \
    "${options[@]}" "-artifact_prefix=$dir/$name-" "$corpus" "tests/fuzz/corpus/$name" \
    >"$dir/$name.log" 2>&1 || { tail -n 40 "$dir/$name.log"; return 1; }
}
declare -a jobs=()
for target in "${targets[@]}"; do
  [ "$(jobs -pr | wc -l)" -lt "$(nproc)" ] || wait -n
  run "$(basename "$target")" &
  jobs+=($!)
done
for job in "${jobs[@]}"; do
  wait "$job"
done

"llvm-profdata$suffix" merge -sparse -o $dir/all.profdata $dir/profiles/*.profraw
objects=("$dir/${targets[0]}")
for target in "${targets[@]:1}"; do
  objects+=(-object "$dir/$target")
done
"llvm-cov$suffix" export -summary-only -instr-profile=$dir/all.profdata "${objects[@]}" >$dir/summary.json
scripts/coverage-table.py $dir/summary.json
