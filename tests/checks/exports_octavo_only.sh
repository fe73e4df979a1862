#!/bin/sh
# Fails when a shared library exports anything but octavo_*, or lacks a function of octavo.h.
# Usage: exports_octavo_only.sh NM LIBRARY OCTAVO_H
set -eu
nm=$1 library=$2 header=$3
exported=$("$nm" -D --defined-only "$library" | awk '{ sub(/@.*/, "", $NF); print $NF }' | sort -u)
others=$(printf '%s\n' "$exported" | grep -vE '^(octavo_|OCTAVO_[0-9]+$)' || true)
[ -z "$others" ] || { echo "$library also exports:"; echo "$others"; exit 1; }
declared=$(tr '\n' ' ' <"$header" | grep -oE 'OCTAVO_API [^;(]*\(' | grep -oE 'octavo_[a-z0-9_]+ ?\($' | tr -d ' (' | sort -u)
[ -n "$declared" ] || { echo "found no function in $header"; exit 1; }
for function in $declared; do
  printf '%s\n' "$exported" | grep -qx "$function" || { echo "$library does not export $function"; exit 1; }
done
echo "$(printf '%s\n' "$declared" | wc -l) functions, and nothing else"
