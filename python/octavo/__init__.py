"""octavo: BERT, OPT and ViT in 8-bit integers on x86 CPUs.

    model = octavo.Model("minilm.octavo")
    vectors = model.encode(["A cat sleeps.", "The kitten naps on a couch."])  # float32 [2, 384]

``octavo.calibrate`` makes such a file of a checkpoint. ``python -m octavo`` is the command.
"""

from __future__ import annotations

from typing import Any

from . import _native
from .calibration import Report, calibrate
from .errors import Error, NotFoundError
from .machine import bench, cpu_info
from .model import Model
from .results import Answer, Entity, FilledToken, Label, Perplexity, Ranked, SparseVector, Tokens


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _native.library().version().decode()
    raise AttributeError(f"module 'octavo' has no attribute {name!r}")


__all__ = [
    "Answer",
    "Entity",
    "Error",
    "FilledToken",
    "Label",
    "Model",
    "NotFoundError",
    "Perplexity",
    "Ranked",
    "Report",
    "SparseVector",
    "Tokens",
    "bench",
    "calibrate",
    "cpu_info",
]
