"""What this machine is, and how fast a model runs on it."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from typing import Any

from . import _native
from .errors import Error


def cpu_info() -> dict[str, Any]:
    """The version, the CPU, how many threads calls have by default, and the instruction sets: which can be used and why
    others cannot."""
    found = ctypes.c_char_p()
    _native.check(_native.library().cpu_info(ctypes.byref(found)))
    return json.loads(found.value or b"{}")  # type: ignore[no-any-return]


def bench(model: str | os.PathLike[str], **options: Any) -> list[dict[str, Any]]:
    """Measures a model in a process of its own: what ``octavo bench --json`` prints, an object per line.

    Args:
        model: a ``.octavo`` file or a checkpoint directory.
        options: flags of ``octavo bench`` with ``_`` for ``-``; True stands for a flag without a value.
    """
    words = [sys.executable, "-m", "octavo", "bench", "--model", os.fspath(model), "--json"]
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        words.append(flag if value is True else f"{flag}={value}")
    ran = subprocess.run(words, capture_output=True, text=True, check=False)
    if ran.returncode == 2:
        raise ValueError(ran.stderr.strip())
    if ran.returncode != 0:
        raise Error(ran.stderr.strip())
    return [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]
