#!/usr/bin/env bash
# Runs octavo on an emulated x86-64 CPU of 2005, with SSE3 and no more: whatever was compiled for a newer one must not run
# before it was chosen.
# Usage: older_cpu_test.sh OCTAVO MODEL TESTS PLANTED: the command, a quantized model of text, the program of the unit tests,
# and a program that the CPU cannot run. Ends with 77, a skip, where QEMU's user mode is not installed (qemu-user).
set -euo pipefail
octavo=$1 model=$2 tests=$3 planted=$4

qemu=$(command -v qemu-x86_64 || command -v qemu-x86_64-static || true)
[ -n "$qemu" ] || { echo "SKIPPED: qemu-x86_64 is not installed"; exit 77; }
emulate=("$qemu" -cpu Opteron_G1)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "older_cpu_test.sh: $*"; exit 1; }

ulimit -c 0
! "${emulate[@]}" "$planted" 2>/dev/null || fail "the emulated CPU runs AVX2, so that this test would prove nothing"

"${emulate[@]}" "$octavo" info
"${emulate[@]}" "$octavo" selftest >"$work/selftest" || fail "the self-test fails"
! grep -E '^(avx|amx)' "$work/selftest" || fail "the self-test ran more than the CPU has"

# What this CPU must have (OCTAVO_REQUIRE_ISAS) is nothing that the emulated one could have.
env -u OCTAVO_REQUIRE_ISAS "${emulate[@]}" "$tests" --filenames-as-tags '[#dispatch_test]~[isas]' || fail "tests of the dispatch fail"

for run in native emulated; do
  [ $run = native ] && on=() || on=("${emulate[@]}")
  "${on[@]}" "$octavo" embed -m "$model" -p "A cat sleeps." -o "$work/$run.npy"
done
cmp "$work/native.npy" "$work/emulated.npy" || fail "the embedding is not that of this CPU, byte for byte"
