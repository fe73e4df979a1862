#!/usr/bin/env bash
# The command without calibration runs an INT8 file, and refuses a checkpoint, calibrate and analyze by a message that says why.
# Usage: inference_only.sh OCTAVO MODEL.octavo CHECKPOINT
set -euo pipefail
"$1" bench -q -m "$2" -p 16 -r 1 -o csv | tail -n 1 | grep int8
refuses() {
  local said
  said=$("$@" 2>&1) && { echo "succeeded: $*"; exit 1; }
  grep "built without calibration" <<<"$said" || { echo "$said"; exit 1; }
}
refuses "$1" embed -m "$3" -p text
refuses "$1" calibrate "$3"
refuses "$1" analyze
