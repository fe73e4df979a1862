"""Embeddings of a file of any size, shard by shard: ``python -m octavo.batch MODEL SOURCE FOLDER``.

A shard is written under a temporary name and renamed, so that what is there is whole; a run that was stopped goes on with the
shards that are missing. An embedding depends on its text alone, hence all bytes are those of a run that was never stopped.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import os
import sys
import time
from typing import Any, Iterator, NamedTuple

import numpy as np

from . import _arguments
from ._fingerprint import fingerprint
from .errors import Error, NotFoundError
from .model import Model

FORMATS = ("npy", "arrow")


class Summary(NamedTuple):
    """What a run did; ``complete`` when all shards are there."""

    shards: int
    written: int
    rows: int
    seconds: float
    complete: bool


def embed(
    model: Model,
    source: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    column: str = "text",
    shard_rows: int = 10000,
    format: str = "npy",
    part: int = 0,
    parts: int = 1,
    show_progress: bool = False,
    **options: Any,
) -> Summary:
    """Embeds the texts of a file into shards in a folder, those that are not there yet.

    Args:
        source: ``.txt``, a text per line; ``.jsonl``, ``.parquet`` or ``.arrow``, the texts of ``column``.
        folder: gets ``part-00000.npy`` and so on, ``job.json``, and at the end ``done.json``.
        shard_rows: texts in a shard.
        format: ``"npy"``, float32 ``[texts, size]``; or ``"arrow"``, the texts with their vectors.
        part, parts: of several processes that share a job, which this is: it takes each ``parts``-th shard.
        options: of ``Model.encode``: ``normalize``, ``truncate_dim``, ``prompt_name``, ``precision``, ...
    """
    path = os.fspath(source)
    if not os.path.exists(path):
        raise NotFoundError(f"{path}: no such file or directory")
    for name in ("out", "output", "ranges"):
        if name in options:
            raise TypeError(f"{name} is not for a job")
    if options.get("precision") in ("int8", "uint8"):
        raise ValueError("precision is of ranges over all texts, expected float32, binary or ubinary")
    _arguments.integer("shard_rows", shard_rows)
    _arguments.integer("parts", parts)
    _arguments.integer("part", part, 0, parts - 1)
    _arguments.choice("format", format, FORMATS)
    target = os.fspath(folder)
    os.makedirs(target, exist_ok=True)
    job = {
        "model": fingerprint(model._path),
        "source": {"name": os.path.basename(path), "bytes": os.path.getsize(path), "column": column},
        "shard_rows": shard_rows,
        "format": format,
        "options": options,
    }
    _agree(os.path.join(target, "job.json"), job)
    start = time.perf_counter()
    shards = written = rows = 0
    for number, texts in enumerate(_shards(path, column, shard_rows)):
        shards, rows = shards + 1, rows + len(texts)
        name = os.path.join(target, f"part-{number:05}.{format}")
        if number % parts == part and not os.path.exists(name):
            _write(name, _bytes(texts, model.encode(texts, show_progress=show_progress, **options), format))
            written += 1
    complete = _finish(target, shards, rows, shard_rows, format)
    return Summary(shards, written, rows, time.perf_counter() - start, complete)


def _agree(name: str, job: dict[str, Any]) -> None:
    """Keeps what the job is, or refuses another one in its folder."""
    job = json.loads(json.dumps(job))
    if not os.path.exists(name):
        _write(name, json.dumps(job, indent=1, sort_keys=True).encode())
    with open(name, encoding="utf-8") as file:
        before = json.load(file)
    for key in job:
        if before.get(key) != job[key]:
            raise Error(f"{name}: {key} was {before.get(key)!r} and is {job[key]!r}, expected the same job")


def _lines(path: str) -> Iterator[str]:
    with open(path, encoding="utf-8", errors="replace", newline="\n") as file:
        for line in file:
            yield line[:-1].removesuffix("\r") if line.endswith("\n") else line


def _texts(path: str, column: str) -> Iterator[list[str]]:
    """Some texts at a time."""
    kind = os.path.splitext(path)[1]
    if kind == ".txt":
        for line in _lines(path):
            yield [line]
    elif kind == ".jsonl":
        for number, line in enumerate(_lines(path), 1):
            row = json.loads(line)
            if not isinstance(row, dict) or not isinstance(row.get(column), str):
                raise Error(f"{path}:{number}: has no text {column!r}")
            yield [row[column]]
    elif kind in (".parquet", ".arrow"):
        yield from _columns(path, column, kind)
    else:
        raise ValueError(f"source is {path!r}, expected a name that ends in .txt, .jsonl, .parquet or .arrow")


def _columns(path: str, column: str, kind: str) -> Iterator[list[str]]:
    import pyarrow as pa

    if kind == ".parquet":
        import pyarrow.parquet

        file = pyarrow.parquet.ParquetFile(path)
        if column not in file.schema_arrow.names:
            raise Error(f"{path}: has no column {column!r}, it has {', '.join(file.schema_arrow.names)}")
        batches: Iterator[Any] = file.iter_batches(columns=[column])
    else:
        reader = pa.ipc.open_file(pa.memory_map(path))
        if column not in reader.schema.names:
            raise Error(f"{path}: has no column {column!r}, it has {', '.join(reader.schema.names)}")
        batches = (reader.get_batch(i) for i in range(reader.num_record_batches))
    for batch in batches:
        texts = batch.column(batch.schema.names.index(column)).to_pylist()
        for text in texts:
            if not isinstance(text, str):
                raise Error(f"{path}: column {column!r} has {text!r}, expected texts")
        yield texts


def _shards(path: str, column: str, rows: int) -> Iterator[list[str]]:
    waiting: list[str] = []
    for some in _texts(path, column):
        waiting += some
        while len(waiting) >= rows:
            yield waiting[:rows]
            waiting = waiting[rows:]
    if waiting:
        yield waiting


def _bytes(texts: list[str], vectors: np.ndarray[Any, Any], format: str) -> bytes:
    file = io.BytesIO()
    if format == "npy":
        np.save(file, vectors)
        return file.getvalue()
    import pyarrow as pa

    values = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
    table = pa.table({"text": pa.array(texts, pa.large_string()), "embedding": values})
    with pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    return file.getvalue()


def _write(name: str, data: bytes) -> None:
    """Whole or not at all."""
    temporary = f"{name}.tmp-{os.getpid()}"
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, name)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _finish(folder: str, shards: int, rows: int, shard_rows: int, format: str) -> bool:
    """Lists the shards when all are there."""
    names = [f"part-{number:05}.{format}" for number in range(shards)]
    if not all(os.path.exists(os.path.join(folder, name)) for name in names):
        return False
    done = os.path.join(folder, "done.json")
    if not os.path.exists(done):
        listed = []
        for number, name in enumerate(names):
            with open(os.path.join(folder, name), "rb") as file:
                digest = hashlib.sha256(file.read()).hexdigest()
            listed.append({"file": name, "rows": min(shard_rows, rows - number * shard_rows), "sha256": digest})
        _write(done, json.dumps({"rows": rows, "shards": listed}, indent=1).encode())
    return True


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m octavo.batch", description="Embeds a file, shard by shard; resumed.")
    parser.add_argument("model")
    parser.add_argument("source", help=".txt, .jsonl, .parquet or .arrow")
    parser.add_argument("folder", help="for the shards")
    parser.add_argument("--column", default="text", help="of the texts (text)")
    parser.add_argument("--shard-rows", type=int, default=10000, help="texts in a shard (10000)")
    parser.add_argument("--format", choices=FORMATS, default="npy")
    parser.add_argument("--part", default="0/1", metavar="K/N", help="of N processes this is number K, from 0")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--mmap", action="store_true", help="share the model's pages with other processes")
    parser.add_argument("--progress", action="store_true", help="show a bar for each shard, where tqdm is installed")
    options = parser.parse_args(words)
    try:
        part, parts = map(int, options.part.split("/"))
        summary = embed(
            Model(options.model, threads=options.threads, mmap=options.mmap),
            options.source,
            options.folder,
            column=options.column,
            shard_rows=options.shard_rows,
            format=options.format,
            part=part,
            parts=parts,
            show_progress=options.progress,
        )
    except (Error, ValueError, TypeError, ImportError) as error:
        print(f"octavo.batch: {error}", file=sys.stderr)
        return 1
    state = "complete" if summary.complete else "other processes' shards are missing"
    print(
        f"{summary.rows} texts in {summary.shards} shards, {summary.written} written in {summary.seconds:.1f} s; {state}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
