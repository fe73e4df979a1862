#!/bin/sh
# Fails when one of the given object files holds a float arithmetic, comparison or conversion instruction.
# Usage: integer_only.sh OBJDUMP OBJECT...
# Moves, logic and shuffles of "ps"/"pd" names are allowed: compilers use them for integer data.
set -eu
objdump=$1
shift
[ $# -gt 0 ] || { echo "integer_only.sh: no object files" >&2; exit 2; }
arithmetic='v?(add|sub|mul|div|sqrt|min|max|cmp|comi|ucomi|round|rndscale|rcp|rcp14|rsqrt|rsqrt14|hadd|hsub|addsub|dp|scalef|getexp|getmant|range|reduce|fixupimm|fmadd|fmsub|fnmadd|fnmsub|fmaddsub|fmsubadd)[a-z0-9]*(ps|pd|ss|sd|ph|sh)'
conversion='v?cvt[a-z0-9]+'
x87='f(ld|ild|st|stp|ist|istp|isttp|add|addp|iadd|sub|subp|subr|isub|mul|mulp|imul|div|divp|divr|idiv|sqrt|chs|abs|com|comi|comip|ucom|ucomi|ucomip|rndint|scale|sin|cos|ptan|patan|yl2x|2xm1)[a-z]*'
status=0
for object in "$@"; do
  found=$("$objdump" -d --no-show-raw-insn "$object" |
    awk -F'\t' '/^[ ]*[0-9a-f]+:/ { split($2, word, " "); print word[1] }' |
    grep -xE "$arithmetic|$conversion|$x87" | sort | uniq -c || true)
  if [ -n "$found" ]; then
    echo "$object holds float instructions:"
    echo "$found"
    status=1
  fi
done
[ $status -eq 0 ] && echo "no float instruction in $# object files"
exit $status
