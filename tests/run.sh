#!/usr/bin/env bash
# Installs packages, builds with warnings as errors, and runs all tests, which cover every instruction set of this CPU.
# Usage: tests/run.sh [--full]
#   --full  (the default where CI is set) then builds all but the tests with Clang, and runs all tests under ASan and UBSan
# Build folders lie under build/, named after their presets. Ends with ctest's summary.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
full=${CI:+yes}
case "${1-}" in
  "") ;;
  --full) full=yes ;;
  *) echo "run.sh: unknown argument '$1', expected --full or nothing" >&2; exit 2 ;;
esac

# build PRESET [TARGET...]: all targets, or these.
build() {
  local preset=$1
  shift
  echo "== $preset"
  cmake --preset "$preset" >"build/$preset-configure.log" 2>&1 || { cat "build/$preset-configure.log"; exit 1; }
  cmake --build --preset "$preset" ${1:+--target "$@"}
}

# check PRESET: builds it and runs its tests.
check() {
  build "$1"
  ctest --preset "$1"
}

mkdir -p build
tools/install_packages.sh ${full:+--dev}
check release
if [ -n "$full" ]; then
  build clang octavo_command octavo_forward_bench octavo_gemm_bench octavo_tokenizer_bench
  check asan-ubsan
fi
