#!/usr/bin/env bash
# Runs the fuzz targets as many at a time as there are CPUs, and prints how many inputs each has tried.
# Usage: tests/fuzz/run.sh [SECONDS [TARGET...]]     by default 20 seconds of each: model safetensors checkpoint text picture
#        tests/fuzz/run.sh --minimise [TARGET...]    keeps in tests/fuzz/corpus/ what covers most in few bytes
# An input that crashes, takes more than 20 seconds or more than 3 GB makes it fail, and lies in build/fuzz/faults/TARGET.
# It starts from tests/fuzz/corpus/TARGET; what it finds goes to build/fuzz/corpus/TARGET.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

kept_bytes=190000 # of each target, so that all are less than 1 MB
minimise=
case "${1-}" in
  --minimise) minimise=yes; shift ;;
  *) seconds=${1:-20}; [ $# -eq 0 ] || shift ;;
esac
[ $# -gt 0 ] || set -- model safetensors checkpoint text picture

mkdir -p build
cmake --preset asan-ubsan >build/asan-ubsan-configure.log 2>&1 || { cat build/asan-ubsan-configure.log; exit 1; }
cmake --build --preset asan-ubsan --target octavo_fuzz

TMPDIR=$(mktemp -d) # a target that crashes leaves its files there
[ ! -w /dev/shm ] || { rmdir "$TMPDIR"; TMPDIR=$(mktemp -d -p /dev/shm); }
export TMPDIR UBSAN_OPTIONS=print_stacktrace=1
trap 'rm -rf "$TMPDIR"' EXIT
limits=(-timeout=20 -rss_limit_mb=3072 -max_len=65536)

# minimise_corpus TARGET PROGRAM: the smallest inputs of all that was found, as long as there is room.
minimise_corpus() {
  local target=$1 program=$2 merged bytes=0 file size
  merged=$(mktemp -d)
  "$program" "${limits[@]}" -merge=1 "$merged" "tests/fuzz/corpus/$target" "build/fuzz/corpus/$target" >"build/fuzz/$target.log" 2>&1
  rm -rf "tests/fuzz/corpus/$target"
  mkdir -p "tests/fuzz/corpus/$target"
  while read -r size file; do
    bytes=$((bytes + size))
    [ "$bytes" -le "$kept_bytes" ] || break
    cp "$merged/$file" "tests/fuzz/corpus/$target/$file"
  done < <(find "$merged" -type f -printf '%s %f\n' | sort -n)
  echo "$target: $(find "$merged" -type f | wc -l) inputs, kept $(find "tests/fuzz/corpus/$target" -type f | wc -l)"
  rm -rf "$merged"
}

# fuzz TARGET PROGRAM: tries inputs for the seconds given; one that fails shows the end of its log.
fuzz() {
  local target=$1 program=$2 log=build/fuzz/$1.log status=passed
  "$program" "${limits[@]}" -max_total_time="$seconds" -print_final_stats=1 -artifact_prefix="build/fuzz/faults/$target/" \
    "build/fuzz/corpus/$target" "tests/fuzz/corpus/$target" >"$log" 2>&1 || status=FAILED
  echo "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs tried, $status"
  [ "$status" = passed ] || { grep -vE '^#[0-9]+\s' "$log" | tail -n 40; return 1; }
}

running=()
failed=0
for target in "$@"; do
  program=build/asan-ubsan/tests/fuzz/octavo_${target}_fuzz
  mkdir -p "build/fuzz/corpus/$target" "build/fuzz/faults/$target"
  if [ -n "$minimise" ]; then
    minimise_corpus "$target" "$program"
  else
    [ ${#running[@]} -lt "$(nproc)" ] || { wait "${running[0]}" || failed=1; running=("${running[@]:1}"); }
    fuzz "$target" "$program" &
    running+=($!)
  fi
done
for process in "${running[@]}"; do wait "$process" || failed=1; done
exit $failed
