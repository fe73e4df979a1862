#!/usr/bin/env bash
# Fails when the struct of an op, or that of its constants, is named in more files than an op needs: one for each
# question about it. Whoever wants to know something of an op asks src/graph/op_facts.h.
# Usage: ops_have_one_place.sh REPOSITORY
# The files: graph.h, graph.cc (its builder), quantized.h, op_facts.cc, and one each in model_file/, float/, integer/ and
# quantize/. The family of EmbedPatches, models/vision/vit.cc, makes the ninth; what takes parts out of an op,
# src/graph/neurons.cc or attention_heads.cc, the tenth.
set -euo pipefail
cd "$1"
allowed=10

# "Op|Constants" of each op, from the table of constants.
pairs=$(sed -n -e 's/^struct ConstantsOf<\(.*\)> {$/\1/p' -e 's/^  using type = \(Quantized[A-Za-z]*\);$/\1/p' src/graph/quantized.h |
  paste -d '|' - -)
ops=$(sed -n '/^using Op = /{
  :more
  /;/!{
    N
    b more
  }
  p
}' src/graph/graph.h | tr -cs 'A-Za-z' '\n' | grep -c -vE '^(using|Op|std|variant|)$')
[ "$(wc -l <<<"$pairs")" = "$ops" ] || { echo "found the constants of other ops than the $ops of Op: $pairs"; exit 1; }

failures=0
while read -r names; do
  files=$(find src models include \( -name '*.cc' -o -name '*.h' \) -print0 |
    xargs -0 awk -v names="(^|[^A-Za-z0-9_])($names)([^A-Za-z0-9_]|$)" '
      FNR == 1 { found = 0 }
      { code = $0; sub(/\/\/.*/, "", code) }
      !found && code ~ names { found = 1; print FILENAME }' | sort)
  count=$(wc -l <<<"$files")
  echo "$names: $count"
  if [ "$count" -gt "$allowed" ]; then
    echo "  named in more than $allowed files:" $files
    failures=$((failures + 1))
  fi
done <<<"$pairs"
[ "$failures" = 0 ]
