#!/usr/bin/env bash
# Installs a build into a folder, moves that, and uses it as users would: the command, find_package, pkg-config.
# Usage: install_test.sh BUILD_FOLDER CXX_COMPILER README_EXAMPLE.cc EXAMPLES_FOLDER, in a folder that holds minilm.octavo, which
# the examples open.
set -euo pipefail

build=$1 compiler=$2 readme_example=$3 examples=$4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cmake --install "$build" --prefix "$work/first" >/dev/null
mv "$work/first" "$work/prefix"

"$work/prefix/bin/octavo" info >/dev/null

generator=$(sed -n 's/^CMAKE_GENERATOR:INTERNAL=//p' "$build/CMakeCache.txt")  # the default one may not be installed
cmake -S "$examples" -B "$work/build" -G "$generator" -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER="$compiler" \
  -DCMAKE_PREFIX_PATH="$work/prefix"
cmake --build "$work/build"
"$work/build/embed" minilm.octavo "A cat sleeps." "The kitten naps on a couch."

pc=$(find "$work/prefix" -name octavo.pc)
export PKG_CONFIG_PATH=${pc%/*} LD_LIBRARY_PATH=${pc%/pkgconfig/*}
# shellcheck disable=SC2046
"$compiler" -std=c++20 "$readme_example" $(pkg-config --cflags --libs octavo) -o "$work/by_pkg_config"
"$work/by_pkg_config"

# Every header stands on its own.
for header in "$work"/prefix/include/octavo/*.h; do
  echo "#include <octavo/${header##*/}>"
  echo "#include <octavo/${header##*/}>" | "$compiler" -std=c++20 -Wall -Wextra -Werror -I"$work/prefix/include" -fsyntax-only -x c++ -
done
