#!/usr/bin/env bash
# Shows octavo's main job on the model that ships with it: installs packages, builds, calibrates, compares sentences.
# Usage: tools/demo.sh, from any directory, as often as you like. Everything it makes lies under build/.
set -euo pipefail
export LC_ALL=C

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$root/build
checkpoint=$root/models/pretrained/all-MiniLM-L6-v2-gated
texts=$root/models/pretrained/calibration-sentences.txt
model=$build/minilm.octavo
octavo=$build/tools/octavo
sentences=(
  "A cat is sleeping on the sofa."
  "The kitten naps on the couch."
  "The central bank raised interest rates again."
  "Borrowing money has become more expensive."
  "Heavy rain flooded the valley during the night.")

# seconds_of COMMAND WORD...: runs it without its output; its wall time is left in $seconds.
seconds_of() {
  local begin=$EPOCHREALTIME
  "$@" >/dev/null
  seconds=$(awk -v b="$begin" -v e="$EPOCHREALTIME" 'BEGIN { printf "%.2f", e - b }')
}

build_command() {
  local log=$build/demo-build.log generator=()
  mkdir -p "$build"
  [ -f "$build/CMakeCache.txt" ] || generator=(-G Ninja)
  if ! { cmake -S "$root" -B "$build" "${generator[@]}" -DCMAKE_BUILD_TYPE=Release &&
         cmake --build "$build" --parallel --target octavo_command; } >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    echo "demo.sh: the build failed; its last lines are above, all of it is in $log" >&2
    exit 1
  fi
}

similarity() { # MODEL
  printf '%s\n' "${sentences[@]}" | "$octavo" embed -m "$1" -f - --similarity
}

echo "== Packages"
seconds_of "$root/tools/install_packages.sh"
echo "done in $seconds s"

echo "== Build"
seconds_of build_command
echo "$octavo, done in $seconds s"

echo "== Calibration on $(wc -l <"$texts") sentences"
"$octavo" calibrate "$checkpoint" -d "$texts" -o "$model"

echo "== Similarity of five sentences, in integers"
integer=$(similarity "$model")
reference=$(similarity "$checkpoint")
for i in "${!sentences[@]}"; do echo "  $((i + 1))  ${sentences[i]}"; done
awk '{ row = sprintf("  %d ", NR); for (j = 1; j <= NF; ++j) row = row sprintf(" %6.3f", $j); print row }' <<<"$integer"
paste -d ' ' <(echo "$integer") <(echo "$reference") | awk '
  { for (j = 1; j <= NF / 2; ++j) { d = $j - $(j + NF / 2); if (d < 0) d = -d; if (d > largest) largest = d } }
  END { printf "largest difference to float32: %.4f\n", largest }'

echo "== Time to embed the $(wc -l <"$texts") sentences, loading included"
seconds_of "$octavo" embed -m "$model" -f "$texts"
echo "INT8     $seconds s"
seconds_of "$octavo" embed -m "$checkpoint" -f "$texts"
echo "float32  $seconds s"
echo
echo "Now try: $octavo embed -m $model -p \"Your sentence.\" -p \"Another one.\" --similarity"
