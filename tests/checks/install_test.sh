#!/usr/bin/env bash
# Installs a build into a folder, moves that, and uses it as users would: the command, find_package, pkg-config.
# Usage: install_test.sh BUILD_FOLDER CXX_COMPILER EXAMPLE.cc, in a folder that holds the model file the example opens.
set -euo pipefail

build=$1 compiler=$2 example=$3
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cmake --install "$build" --prefix "$work/first" >/dev/null
mv "$work/first" "$work/prefix"

"$work/prefix/bin/octavo" info >/dev/null

generator=$(sed -n 's/^CMAKE_GENERATOR:INTERNAL=//p' "$build/CMakeCache.txt")  # the default one may not be installed
cmake -S "$here/install" -B "$work/build" -G "$generator" -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER="$compiler" \
  -DCMAKE_PREFIX_PATH="$work/prefix" -DEXAMPLE="$example"
cmake --build "$work/build"
"$work/build/example"

pc=$(find "$work/prefix" -name octavo.pc)
export PKG_CONFIG_PATH=${pc%/*} LD_LIBRARY_PATH=${pc%/pkgconfig/*}
# shellcheck disable=SC2046
"$compiler" -std=c++20 "$example" $(pkg-config --cflags --libs octavo) -o "$work/by_pkg_config"
"$work/by_pkg_config"
