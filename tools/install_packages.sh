#!/usr/bin/env bash
# Installs the Debian or Ubuntu packages that octavo is built and tested with, as far as they are missing.
# Usage: tools/install_packages.sh [--dev]
#   --dev  also what its developers use: Google Benchmark, Clang and its fuzzer, clang-format, clang-tidy, QEMU
# This is the one list of them. Runs as root or through sudo; does nothing when nothing is missing.
set -euo pipefail

packages=(g++ cmake ninja-build pkg-config libeigen3-dev libdnnl-dev ocl-icd-opencl-dev libcxxopts-dev nlohmann-json3-dev catch2
          libutf8proc-dev libonig-dev libjpeg-dev libpng-dev libwebp-dev libtiff-dev libgif-dev)
developer_packages=(libbenchmark-dev clang libclang-rt-dev clang-format clang-tidy qemu-user git python3)

fail() {
  echo "install_packages.sh: $*" >&2
  exit 1
}

case "${1-}" in
  "") ;;
  --dev) packages+=("${developer_packages[@]}") ;;
  *) fail "unknown argument '$1', expected --dev or nothing" ;;
esac
[ $# -le 1 ] || fail "unexpected argument '$2'"
if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  fail "this is not Debian or Ubuntu; install the equivalents of: ${packages[*]}"
fi

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || fail "run it as root, or install sudo; missing packages: ${missing[*]}"
  as_root=(sudo)
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT

# apt WORD...: apt-get, quietly, waiting for a lock that another apt-get may hold.
apt() {
  local options=(-q -y -o DPkg::Lock::Timeout=300)
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get "${options[@]}" "$@" >"$log" 2>&1 && return
  tail -n 20 "$log" >&2
  fail "'apt-get $1' failed; its last lines are above"
}

echo "installing ${missing[*]}"
apt update
apt install --no-install-recommends "${missing[@]}"
