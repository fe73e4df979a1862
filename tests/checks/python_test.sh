#!/usr/bin/env bash
# Runs the tests of the Python package on a library of the build.
# Usage: python_test.sh PYTHON LIBOCTAVO MODEL REPOSITORY. Ends with 77, a skip, where numpy or pytest is not installed.
set -euo pipefail
python=$1 library=$2 model=$3 repository=$4
"$python" -c 'import numpy, pytest' 2>/dev/null || { echo "SKIPPED: $python has no numpy or no pytest"; exit 77; }
export OCTAVO_LIBRARY=$library OCTAVO_TEST_MODEL=$model PYTHONPATH=$repository/python PYTHONDONTWRITEBYTECODE=1
exec "$python" -m pytest -q -p no:cacheprovider -c "$repository/pyproject.toml" "$repository/python/tests"
