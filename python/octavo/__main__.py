"""``python -m octavo``: the command."""

from __future__ import annotations

import ctypes
import os
import sys

from . import _native


def main() -> int:
    """Runs the command with the words of this process's command line."""
    words = [b"octavo", *map(os.fsencode, sys.argv[1:])]
    argv = (ctypes.c_char_p * (len(words) + 1))(*words, None)
    sys.stdout.flush()
    return int(_native.library().command(len(words), argv))


if __name__ == "__main__":
    sys.exit(main())
