#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
#
# Installs what is missing, builds, and runs the tests: ./test.sh what takes about a quarter of an
# hour on two cores, ./test.sh --long the rest as well.  Everything happens in build/ and in temporary
# directories, on private buses, brokers and ports.  The last line is "N passed, N failed[, N skipped]".
set -u
cd "$(dirname "$0")" || exit 1
. scripts/packages.sh

fuzz_seconds=20
tsan_suites=(--suite tsan)
case "${1-}" in
  '') ;;
  --long)
    fuzz_seconds=900
    tsan_suites+=(--suite integration)
    export JKB_TEST_LONG=1
    ;;
  *) echo "Usage: $0 [--long]" >&2; exit 2 ;;
esac

passed=0 failed=0 skipped=0
no_aslr= # "setarch ... -R" where clang's run-time library needs it

title () { printf '\n== %s (%d:%02d)\n' "$*" $((SECONDS / 60)) $((SECONDS % 60)); }
pass () { passed=$((passed + 1)); }
fail () { failed=$((failed + 1)); echo "FAILED: $*"; }
skip () { skipped=$((skipped + 1)); echo "skipped: $*"; }

finish ()
{
  local line="$passed passed, $failed failed"
  [ $skipped -eq 0 ] || line+=", $skipped skipped"
  echo
  echo "$line"
  [ $failed -eq 0 ]
  exit $?
}

# check NAME COMMAND...: one check; its output is shown only when it fails.
check ()
{
  local name=$1 output
  shift
  if output=$("$@" 2>&1); then
    pass
  else
    printf '%s\n' "$output" | tail -n 80
    fail "$name"
    return 1
  fi
}

# build NAME OPTION...: configures and compiles build/NAME; a warning is an error.
build ()
{
  local dir=build/$1
  shift
  if ! { [ -f "$dir/build.ninja" ] && ninja -C "$dir" build.ninja >/dev/null 2>&1; }; then
    rm -rf "$dir"
    meson setup "$dir" "$@" || return 1
  fi
  ninja -C "$dir"
}

# The tests mostly wait: meanwhile, at low priority, what is needed later is made, one after the other.
# later NAME COMMAND...: begins when the one before has ended; end_later NAME TITLE is the check.
declare -A later_job
last_job=
later ()
{
  local name=$1 before=$last_job
  shift
  mkdir -p build
  (
    renice -n 10 $BASHPID >/dev/null
    [ -z "$before" ] || tail --pid="$before" -f /dev/null
    "$@"
  ) >"build/$name.log" 2>&1 &
  later_job[$name]=$! last_job=$!
}

end_later ()
{
  if wait "${later_job[$1]}"; then
    pass
  else
    tail -n 60 "build/$1.log"
    fail "$2"
    return 1
  fi
}

# again DIR ARGUMENT...: what failed gets a second try, alone: most tests wait for real programs, and a
# crowded machine can keep them waiting too long.  The results name what needed it.
again ()
{
  local dir=$1
  local -a failed_tests
  shift
  [ -f "$dir/meson-logs/testlog.json" ] || return 0
  mv "$dir/meson-logs/testlog.json" "$dir/meson-logs/first.json"
  mapfile -t failed_tests < <(scripts/test-results.py --failed "$dir/meson-logs/first.json")
  [ ${#failed_tests[@]} -gt 0 ] && [ ${#failed_tests[@]} -le 6 ] || return 0
  echo "once more, alone: ${failed_tests[*]}"
  $no_aslr meson test -C "$dir" --no-rebuild --num-processes 1 "$@" "${failed_tests[@]}" |
    grep -Ev '^(\s*$|Full log written)'
}

# run_tests NAME ARGUMENT...: the Meson tests of build/NAME, three for each core, for they mostly wait.
run_tests ()
{
  local name=$1 dir=build/$1 counts p f s
  shift
  rm -f "$dir/meson-logs/testlog.json" "$dir/meson-logs/first.json"
  $no_aslr meson test -C "$dir" --no-rebuild --print-errorlogs --num-processes $((3 * $(nproc))) "$@" |
    grep -Ev '^(\s*$|Full log written)'
  again "$dir" "$@"
  counts=$(scripts/test-results.py "$name" "$dir/meson-logs/first.json" "$dir/meson-logs/testlog.json") ||
    counts='0 1 0'
  read -r p f s <<<"$counts"
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

# Their reports need lines, not variables; both options save time of the compiler.
sanitizer_options=(-Doptimization=1 -Dc_args=-g1)

# sanitizer_works FLAGS: whether clang builds and runs a program with them.  Some kernels give clang's
# run-time library an address space that it cannot use; without randomisation it can (no_aslr).
sanitizer_works ()
{
  local program=build/probe-$$
  mkdir -p build
  echo 'int main (void) { return 0; }' | clang -x c -fsanitize="$1" -o "$program" - 2>/dev/null || return 1
  if ! "$program" 2>/dev/null; then
    setarch "$(uname -m)" -R "$program" 2>/dev/null || { rm -f "$program"; return 1; }
    no_aslr="setarch $(uname -m) -R"
  fi
  rm -f "$program"
}

fuzz ()
{
  local name=$1 corpus=build/corpus/$1
  local -a options=()
  mkdir -p "$corpus"
  [ ! -f "tests/fuzz/dict/$name.dict" ] || options=("-dict=tests/fuzz/dict/$name.dict")
  $no_aslr "build/asan/tests/fuzz/$name" -max_total_time=$fuzz_seconds -print_final_stats=1 \
    -artifact_prefix="build/corpus/$name-" "${options[@]}" "$corpus" "tests/fuzz/corpus/$name"
}

# All of them, as many at a time as there are cores, each with its result in build/NAME.status. They
# take what the tests, which mostly wait, leave of the processors.
run_fuzzers ()
{
  local fuzzer name
  trap 'kill $(jobs -pr) 2>/dev/null' EXIT
  trap exit TERM
  renice -n 19 $BASHPID >/dev/null
  for fuzzer in build/asan/tests/fuzz/fuzz-*; do
    [ -f "$fuzzer" ] && [ -x "$fuzzer" ] || continue
    name=$(basename "$fuzzer")
    [ "$(jobs -pr | wc -l)" -lt "$(nproc)" ] || wait -n
    { fuzz "$name" >"build/$name.log" 2>&1; echo $? >"build/$name.status"; } &
  done
  wait
}

begin_fuzzers ()
{
  rm -f build/fuzz-*.{log,status}
  run_fuzzers &
  fuzz_job=$!
}

end_fuzzers ()
{
  local log name
  wait "$fuzz_job"
  for log in build/fuzz-*.log; do
    name=$(basename "$log" .log)
    if [ "$(cat "build/$name.status" 2>/dev/null)" = 0 ]; then
      pass
      echo "$name: $(sed -n 's/.*number_of_executed_units: *//p' "$log") executions"
    else
      tail -n 60 "$log"
      fail "fuzzer $name"
    fi
  done
}

trap 'kill $(jobs -pr) 2>/dev/null' EXIT

title 'Packages'
if ! install_packages "${build_packages[@]}" "${run_packages[@]}" "${test_packages[@]}"; then
  fail 'the packages that building and testing need could not be installed'
  finish
fi
install_sanitizers || echo 'clang could not be installed; the parts that need it are skipped.'

title 'Quick checks'
for script in demo.sh test.sh bench.sh scripts/*.sh data/examples/*.sh .ci/run; do
  [ ! -f "$script" ] || check "bash -n $script" bash -n "$script"
done
check 'the tree' scripts/check-tree.py

asan=no tsan=no
if ! command -v clang >/dev/null; then
  skip 'everything with clang: it is not installed'
else
  if sanitizer_works address,undefined; then
    asan=yes
  else
    skip "the build with ASan and UBSan, and the fuzzers: clang's run-time library does not work here"
  fi
  if sanitizer_works thread; then
    tsan=yes
  else
    skip "the build with TSan: clang's run-time library does not work here ($(uname -m))"
  fi
fi

title 'gcc'
gcc_good=no
# For /usr, where systemd, D-Bus and polkit look: the system tests lay it over this system's files.
check 'gcc build without a warning' build gcc --prefix=/usr && gcc_good=yes
[ $asan = no ] || CC=clang later asan build asan "${sanitizer_options[@]}" -Db_sanitize=address,undefined -Db_lundef=false -Dfuzzers=true
[ $tsan = no ] || CC=clang later tsan build tsan "${sanitizer_options[@]}" -Db_sanitize=thread -Db_lundef=false
later analyse scripts/analyse.sh
[ $gcc_good = no ] || run_tests gcc
# What the system test found; a second try of other tests has a log of its own.
cat build/gcc/meson-logs/{first,testlog}.json 2>/dev/null | grep -o 'Overall exposure level[^\"]*' | sort -u

export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:exitcode=99
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
export TSAN_OPTIONS=halt_on_error=0:exitcode=66:second_deadlock_stack=1:suppressions=$PWD/tests/tsan.supp
export LSAN_OPTIONS=suppressions=$PWD/tests/lsan.supp:print_suppressions=0
export JKB_TEST_FACTOR=4 G_SLICE=always-malloc

if [ $asan = yes ]; then
  title 'clang with AddressSanitizer and UndefinedBehaviorSanitizer'
  end_later asan 'clang build without a warning, with ASan and UBSan' || asan=no
fi
if [ $asan = yes ]; then
  begin_fuzzers
  run_tests asan --timeout-multiplier 4 --no-suite plain
fi

if [ $tsan = yes ]; then
  title 'clang with ThreadSanitizer: what crosses threads'
  ! end_later tsan 'clang build with TSan' ||
    run_tests tsan --timeout-multiplier 6 "${tsan_suites[@]}" --no-suite plain
fi

if [ $asan = yes ]; then
  title "Fuzzers, $fuzz_seconds s each"
  end_fuzzers
  [ -z "${JKB_TEST_LONG-}" ] || check 'the fuzzers reach enough of the source' scripts/coverage.sh
fi
title 'gcc -fanalyzer, cppcheck and clang-tidy'
end_later analyse 'gcc -fanalyzer, cppcheck and clang-tidy find nothing'

title 'Result'
finish
