"""Whether a model is the one that was pickled."""

from __future__ import annotations

import functools
import hashlib
import os

_READ = (".json", ".safetensors", ".bin", ".txt", ".model", ".octavo")


def fingerprint(path: str) -> str:
    """SHA-256 of a file, or of the files of a checkpoint directory that make a difference, with their names."""
    files = [path]
    if os.path.isdir(path):
        names = (os.path.join(folder, name) for folder, _, all_names in os.walk(path) for name in all_names)
        files = sorted(name for name in names if name.endswith(_READ))
    digest = hashlib.sha256()
    for name in files:
        status = os.stat(name)
        digest.update(os.path.relpath(name, path).encode() + b"\0")
        digest.update(_of_file(name, status.st_size, status.st_mtime_ns))
    return digest.hexdigest()


@functools.lru_cache(maxsize=256)
def _of_file(name: str, size: int, modified: int) -> bytes:
    digest = hashlib.sha256()
    with open(name, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.digest()
