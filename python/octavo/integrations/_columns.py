"""A column of vectors for tables of pyarrow."""

from __future__ import annotations

from typing import Any

from ..model import Model


def embedded(model: Model, table: Any, column: str, options: dict[str, Any]) -> Any:
    """The vectors of a column of a table or batch, whose texts are read where they are."""
    names = table.schema.names
    if column not in names:
        raise ValueError(f"column is {column!r}, expected one of {', '.join(names)}")
    return model.encode(table.column(names.index(column)), **options)


def check_options(options: dict[str, Any], precisions: tuple[str, ...]) -> None:
    for name in ("out", "output", "ranges", "show_progress"):
        if name in options:
            raise TypeError(f"{name} is not for a column")
    if options.get("precision", "float32") not in precisions:
        raise ValueError(f"precision is {options['precision']!r}, expected {' or '.join(precisions)} in a column")
