#!/usr/bin/env bash
# Makes the peers' Python environment where there is none yet, and times octavo beside them. See README.md.
# Usage: benchmarks/peers/run.sh ARGUMENT...   (those of peers.py; --help lists them)
# The environment lies in $OCTAVO_PEERS_ENV, or octavo-peers/env of the user's cache folder.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
environment=${OCTAVO_PEERS_ENV:-${XDG_CACHE_HOME:-$HOME/.cache}/octavo-peers/env}

# The list it was made of lies in it, so that a new list makes a new environment.
if ! cmp -s "$here/requirements.txt" "$environment/requirements.txt"; then
  echo "run.sh: installing the peers in $environment" >&2
  "${PYTHON:-python3}" -m venv --clear "$environment"
  "$environment/bin/pip" install --quiet --requirement "$here/requirements.txt" >&2
  cp "$here/requirements.txt" "$environment/requirements.txt"
fi
exec "$environment/bin/python" "$here/peers.py" "$@"
