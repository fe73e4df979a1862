#!/usr/bin/env bash
# Fails when a file includes a room that its own room does not stand on, or names a header without its room.
# Usage: includes_point_down.sh REPOSITORY
# The table below is the architecture; docs/architecture.md draws it.
set -euo pipefail
cd "$1"

# room: rooms whose headers it may include. A public header belongs to the room that implements it.
allowed='
system:      kernels
base:        system
io:          system base
tokenizer:   base io
image:       base
samples:     base image
graph:       kernels base io image tokenizer
model_file:  graph kernels base io image tokenizer
runtime:     graph base system image tokenizer
float:       runtime graph base io
without_calibration: float engine base commands c
integer:     runtime graph base kernels
engine:      float integer runtime graph base system kernels
tasks:       engine runtime graph base io tokenizer image
observers:   float graph base
quantize:    observers graph base io kernels
calibration: quantize observers tasks engine float runtime graph base io system kernels
analysis:    calibration quantize observers engine integer float runtime graph base system
models:      graph base io image tokenizer
cli:         system base
data:        cli tasks engine runtime graph samples tokenizer image base
report:      cli data tasks calibration analysis quantize engine graph base system
commands:    cli data report tasks calibration analysis quantize engine runtime graph tokenizer image base system
c:           commands report data cli tasks engine runtime graph image base system
'

# Public headers that are not named after their room.
public='
error base   version base   tensor base   memory base   system system   image image   tokenizer tokenizer   model graph
batch runtime   workspace runtime   kv_cache runtime   quantization quantize   engine engine
calibration calibration   sublayers calibration   parts calibration   token_reduction calibration   sample_cover calibration   analysis analysis   tasks tasks   comparison tasks   agreement tasks   generate tasks   sampling tasks
text_preprocessor tasks   session tasks   text_encoder tasks   image_classifier tasks   text_generator tasks
text_tasks tasks   masking tasks   embedding_precision tasks   samples samples   octavo c
'

room_of_public() { # NAME.h
  # shellcheck disable=SC2086
  set -- "${1%.h}" $public
  local name=$1
  shift
  while [ $# -gt 0 ]; do
    [ "$1" != "$name" ] || { echo "$2"; return; }
    shift 2
  done
}

failures=0
complain() {
  echo "$1"
  failures=$((failures + 1))
}

while IFS=: read -r file _ include; do
  include=${include#*\"} include=${include%%\"*}
  case $file in
    src/* | tools/*) room=${file#*/} room=${room%%/*} ;;
    models/*) room=models ;;
    kernels/*) room=kernels ;;
    c/*) room=c ;;
  esac
  case $include in
    octavo/*) target=$(room_of_public "${include#octavo/}") ;;
    */*) target=${include%%/*} ;;
    *) complain "$file: includes \"$include\", which names no room"; continue ;;
  esac
  if [ -z "$target" ]; then complain "$file: $include belongs to no room of the table in $0"; continue; fi
  [ "$room" != "$target" ] || continue
  case $file:$include in
    src/observers/*:octavo/quantization.h) continue ;;  # the names of the methods that observers serve
    */"${include#octavo/}" | src/*/"$(basename "${include%.h}").cc:$include") continue ;;
  esac
  rooms=$(sed -n "s/^$room: *//p" <<<"$allowed")
  case " $rooms " in
    *" $target "*) ;;
    *) complain "$file: includes $include of $target, but $room stands on: ${rooms:-nothing}" ;;
  esac
done < <(grep -rn --include='*.cc' --include='*.h' '^#include "' src models kernels tools c)

[ "$failures" = 0 ] || { echo "$failures includes point the wrong way"; exit 1; }
