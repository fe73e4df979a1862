#!/usr/bin/env bash
# Installs packages, builds with warnings as errors, and runs all tests, which cover every instruction set of this CPU.
# Usage: tests/run.sh [--full]
#   --full  (the default where CI is set) first checks the formatting, then also builds everything with Clang under ASan and
#           UBSan, runs all tests but the slow ones so, and the fuzz targets for 10 seconds each
# Build folders lie under build/, named after their presets. Ends with ctest's summary.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
full=${CI:+yes}
case "${1-}" in
  "") ;;
  --full) full=yes ;;
  *) echo "run.sh: unknown argument '$1', expected --full or nothing" >&2; exit 2 ;;
esac

build() {
  echo "== $1"
  cmake --preset "$1" >"build/$1-configure.log" 2>&1 || { cat "build/$1-configure.log"; exit 1; }
  cmake --build --preset "$1"
}

# has FLAG...: whether Linux says that every CPU has these.
has() {
  local flag
  for flag; do grep -qw "$flag" /proc/cpuinfo || return; done
}

# The instruction sets that tests must find on this CPU: what Linux says of it, which octavo asks CPUID for.
required_isas() {
  local isas=scalar
  ! has avx2 || isas+=,avx2
  ! has avx2 avx_vnni || isas+=,avxvnni
  ! has avx2 avx512f avx512bw avx512dq avx512vl avx512_vnni || isas+=,avx512vnni
  ! has avx2 avx512f avx512bw avx512dq avx512vl avx512_vnni amx_tile amx_int8 || isas+=,amx
  echo $isas
}

mkdir -p build
tools/install_packages.sh ${full:+--dev}
OCTAVO_REQUIRE_ISAS=$(required_isas)
export OCTAVO_REQUIRE_ISAS
echo "instruction sets of this CPU: $OCTAVO_REQUIRE_ISAS"
if [ -n "$full" ]; then
  echo "== formatting"
  git ls-files '*.cc' '*.h' | xargs clang-format --dry-run -Werror
fi
build release
ctest --preset release
if [ -n "$full" ]; then
  build asan-ubsan
  tests/fuzz/run.sh 10
  ctest --preset asan-ubsan -LE slow
fi
