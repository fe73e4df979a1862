#!/usr/bin/env bash
# Installs a build into a folder, moves that, and uses it as users would: the command, find_package, pkg-config, from C++ and C.
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
"$work/build/embed" minilm.octavo "A cat sleeps." "The kitten naps on a couch." >"$work/cxx"
"$work/build/embed_c" minilm.octavo "A cat sleeps." "The kitten naps on a couch." >"$work/c"
diff "$work/cxx" "$work/c"

pc=$(find "$work/prefix" -name octavo.pc)
export PKG_CONFIG_PATH=${pc%/*} LD_LIBRARY_PATH=${pc%/pkgconfig/*}
# shellcheck disable=SC2046
"$compiler" -std=c++20 "$readme_example" $(pkg-config --cflags --libs octavo-cxx) -o "$work/by_pkg_config"
"$work/by_pkg_config"

# The C interface needs no more than itself, and its header is C99.
# shellcheck disable=SC2046
cc -std=c99 -Wall -Wextra -Werror "$examples/embed_c.c" $(pkg-config --cflags --libs octavo) -o "$work/c_by_pkg_config"
"$work/c_by_pkg_config" minilm.octavo "A cat sleeps." "The kitten naps on a couch." | diff "$work/c" -

# Every header stands on its own.
for header in "$work"/prefix/include/octavo/*.h; do
  echo "#include <octavo/${header##*/}>"
  echo "#include <octavo/${header##*/}>" | "$compiler" -std=c++20 -Wall -Wextra -Werror -I"$work/prefix/include" -fsyntax-only -x c++ -
done
