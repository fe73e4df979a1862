"""Files of texts: a text per line, a key of lines of JSON, or a column of Parquet or Arrow."""

from __future__ import annotations

import itertools
import json
import os
from typing import Any, Iterator

from .errors import Error

_KINDS = (".txt", ".jsonl", ".parquet", ".arrow")


def kind_of(path: str) -> str:
    kind = os.path.splitext(path)[1]
    if kind not in _KINDS:
        raise ValueError(f"source is {path!r}, expected a name that ends in {', '.join(_KINDS)}")
    return kind


def count(path: str) -> int:
    """How many texts a file has, read or not."""
    kind = kind_of(path)
    if kind == ".parquet":
        return int(_parquet(path).metadata.num_rows)
    if kind == ".arrow":
        reader = _arrow(path)
        return sum(reader.get_batch(i).num_rows for i in range(reader.num_record_batches))
    return sum(1 for _ in _lines(path))


def shards(path: str, column: str, rows: int, first: int = 0) -> Iterator[list[str]]:
    """The texts, ``rows`` at a time, from the shard ``first`` on."""
    waiting: list[str] = []
    for some in _texts(path, column, first * rows):
        waiting += some
        while len(waiting) >= rows:
            yield waiting[:rows]
            waiting = waiting[rows:]
    if waiting:
        yield waiting


def _texts(path: str, column: str, first: int) -> Iterator[list[str]]:
    """Some texts at a time, from the one with the number ``first`` on."""
    kind = kind_of(path)
    if kind == ".txt":
        for line in itertools.islice(_lines(path), first, None):
            yield [line]
    elif kind == ".jsonl":
        for number, line in itertools.islice(enumerate(_lines(path), 1), first, None):
            row = json.loads(line)
            if not isinstance(row, dict) or not isinstance(row.get(column), str):
                raise Error(f"{path}:{number}: has no text {column!r}")
            yield [row[column]]
    else:
        for batch in _batches(path, column, kind, first):
            texts = batch.to_pylist()
            for text in texts:
                if not isinstance(text, str):
                    raise Error(f"{path}: column {column!r} has {text!r}, expected texts")
            yield texts


def _lines(path: str) -> Iterator[str]:
    with open(path, encoding="utf-8", errors="replace", newline="\n") as file:
        for line in file:
            yield line[:-1].removesuffix("\r") if line.endswith("\n") else line


def _batches(path: str, column: str, kind: str, first: int) -> Iterator[Any]:
    """A column's arrays. What lies wholly before the row ``first`` is not read."""
    if kind == ".parquet":
        file = _parquet(path)
        names, groups = file.schema_arrow.names, range(file.num_row_groups)
        sizes = [file.metadata.row_group(i).num_rows for i in groups]
    else:
        reader = _arrow(path)
        names, groups = reader.schema.names, range(reader.num_record_batches)
        sizes = [reader.get_batch(i).num_rows for i in groups]
    if column not in names:
        raise Error(f"{path}: has no column {column!r}, it has {', '.join(names)}")
    start = 0
    while start < len(sizes) and sizes[start] <= first:
        first -= sizes[start]
        start += 1
    if kind == ".parquet":
        batches = file.iter_batches(columns=[column], row_groups=list(groups[start:]))
    else:
        batches = (reader.get_batch(i) for i in groups[start:])
    for batch in batches:
        if first < batch.num_rows:
            yield batch.column(batch.schema.names.index(column)).slice(first)
        first = max(first - batch.num_rows, 0)


def _parquet(path: str) -> Any:
    import pyarrow.parquet

    return pyarrow.parquet.ParquetFile(path)


def _arrow(path: str) -> Any:
    import pyarrow as pa

    return pa.ipc.open_file(pa.memory_map(path))
