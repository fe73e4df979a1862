#!/bin/sh
# Fails when one of the given object files defines a weak symbol: an inline function or template that the linker may
# replace by the copy of a file compiled for another instruction set.
# Usage: kernels_share_no_code.sh NM OBJECT...
# Compilers' own data is allowed: DW.ref.* (next to a function's static variable), typeinfo (for Clang's UBSan).
set -eu
nm=$1
shift
[ $# -gt 0 ] || { echo "kernels_share_no_code.sh: no object files" >&2; exit 2; }
status=0
for object in "$@"; do
  symbols=$("$nm" -C --defined-only "$object")
  [ -n "$symbols" ] || { echo "$object defines no symbol: not a kernel" >&2; exit 2; }
  shared=$(printf '%s\n' "$symbols" | awk '$2 ~ /^[WVu]$/ && $3 !~ /^(DW\.ref\.|typeinfo$)/ { sub(/^[^ ]+ /, ""); print "  " $0 }')
  if [ -n "$shared" ]; then
    echo "$object defines weak symbols:"
    echo "$shared"
    status=1
  fi
done
[ $status -eq 0 ] && echo "no weak symbol in $# object files"
exit $status
