#!/usr/bin/env bash
# Builds the Debian packages liboctavo0, liboctavo-dev and octavo, and has lintian look at them where it is installed.
# Usage: tools/build_deb.sh [FOLDER]     the packages go to FOLDER, build/deb by default
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(realpath -m "${1:-build/deb}")
build=build/deb-build
mkdir -p build
flags() { DEB_BUILD_MAINT_OPTIONS=hardening=+all dpkg-buildflags --get "$1"; }
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX=/usr -DOCTAVO_TESTS=OFF \
  -DCMAKE_CXX_FLAGS="$(flags CPPFLAGS) $(flags CXXFLAGS) -O3 -g0" -DCMAKE_EXE_LINKER_FLAGS="$(flags LDFLAGS)" \
  -DCMAKE_SHARED_LINKER_FLAGS="$(flags LDFLAGS)" >"$build.log" 2>&1 || { tail -n 20 "$build.log" >&2; exit 1; }
cmake --build "$build"
(cd "$build" && umask 022 && cpack -B "$folder")
rm -rf "$folder/_CPack_Packages"
ls -l "$folder"/*.deb
if command -v lintian >/dev/null; then
  lintian --fail-on error "$folder"/*.deb
else
  echo "lintian is not installed; the packages were not checked"
fi
