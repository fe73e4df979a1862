"""Embeddings of a file of any size, shard by shard: ``python -m octavo.batch MODEL SOURCE FOLDER``.

A shard is written under a temporary name and renamed, so that what is there is whole; a run that was stopped goes on with the
shards that are missing. An embedding depends on its text alone, hence all bytes are those of a run that was never stopped.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import hashlib
import io
import json
import os
import sys
import time
import uuid
from dataclasses import dataclass
from typing import Any, Callable, NamedTuple

import numpy as np

from . import _arguments, _sources
from ._fingerprint import fingerprint
from .errors import Error, NotFoundError
from .model import Model, reopen

FORMATS = ("npy", "arrow")


class Summary(NamedTuple):
    """What a run did; ``complete`` when all shards are there."""

    shards: int
    written: int
    rows: int
    seconds: float
    complete: bool


@dataclass(frozen=True)
class Job:
    """Which texts become which shards: what all processes of a job agree on. It may be sent to other machines that have
    the files under the same names."""

    model: str
    sha256: str
    source: str
    folder: str
    column: str
    shard_rows: int
    format: str
    options: dict[str, Any]

    def name(self, number: int) -> str:
        return f"part-{number:05}.{self.format}"

    def has(self, number: int) -> bool:
        return os.path.exists(os.path.join(self.folder, self.name(number)))

    def missing(self, rows: int) -> list[int]:
        """The shards of so many texts that are not there yet."""
        return [number for number in range(-(-rows // self.shard_rows)) if not self.has(number)]

    def write(self, model: Model, number: int, texts: list[str], show_progress: bool = False) -> None:
        vectors = model.encode(texts, show_progress=show_progress, **self.options)
        _write(os.path.join(self.folder, self.name(number)), _bytes(texts, vectors, self.format))

    def finish(self, rows: int) -> bool:
        """Lists the shards, with their SHA-256, when all are there."""
        if self.missing(rows):
            return False
        done = os.path.join(self.folder, "done.json")
        if not os.path.exists(done):
            listed = []
            for first in range(0, rows, self.shard_rows):
                name = self.name(first // self.shard_rows)
                with open(os.path.join(self.folder, name), "rb") as file:
                    digest = hashlib.sha256(file.read()).hexdigest()
                listed.append({"file": name, "rows": min(self.shard_rows, rows - first), "sha256": digest})
            _write(done, json.dumps({"rows": rows, "shards": listed}, indent=1).encode())
        return True


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
    _arguments.integer("parts", parts)
    _arguments.integer("part", part, 0, parts - 1)
    job = prepare(model._path, source, folder, column=column, shard_rows=shard_rows, format=format, **options)
    start = time.perf_counter()
    shards = written = rows = 0
    for number, texts in enumerate(_sources.shards(job.source, column, shard_rows)):
        shards, rows = shards + 1, rows + len(texts)
        if number % parts == part and not job.has(number):
            job.write(model, number, texts, show_progress)
            written += 1
    return Summary(shards, written, rows, time.perf_counter() - start, job.finish(rows))


def prepare(
    model: str | os.PathLike[str],
    source: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    column: str = "text",
    shard_rows: int = 10000,
    format: str = "npy",
    **options: Any,
) -> Job:
    """Makes the folder of a job and keeps there what it is, or refuses another one in its folder; as ``embed()``."""
    path = os.path.abspath(source)
    if not os.path.exists(path):
        raise NotFoundError(f"{os.fspath(source)}: no such file or directory")
    for name in ("out", "output", "ranges"):
        if name in options:
            raise TypeError(f"{name} is not for a job")
    if options.get("precision") in ("int8", "uint8"):
        raise ValueError("precision is of ranges over all texts, expected float32, binary or ubinary")
    _arguments.integer("shard_rows", shard_rows)
    _arguments.choice("format", format, FORMATS)
    _sources.kind_of(path)
    target = os.path.abspath(folder)
    os.makedirs(target, exist_ok=True)
    sha256 = fingerprint(os.fspath(model))
    job = Job(os.path.abspath(model), sha256, path, target, column, shard_rows, format, options)
    facts = {
        "model": sha256,
        "source": {"name": os.path.basename(path), "bytes": os.path.getsize(path), "column": column},
        "shard_rows": shard_rows,
        "format": format,
        "options": options,
    }
    _agree(os.path.join(target, "job.json"), facts)
    return job


def run(job: Job, work: Callable[[list[int]], object]) -> Summary:
    """Has an engine embed the shards that are missing: ``work`` gets their numbers, unless there are none."""
    start = time.perf_counter()
    rows = _sources.count(job.source)
    missing = job.missing(rows)
    if missing:
        work(missing)
    return Summary(-(-rows // job.shard_rows), len(missing), rows, time.perf_counter() - start, job.finish(rows))


def embed_shard(job: Job, number: int, threads: int) -> None:
    """Embeds one shard unless it is there: a task of an engine, which may run anywhere and more than once."""
    if not job.has(number):
        texts = next(_sources.shards(job.source, job.column, job.shard_rows, number))
        job.write(shared_model(job.model, job.sha256, threads), number, texts)


@functools.lru_cache(maxsize=4)
def shared_model(path: str, sha256: str, threads: int) -> Model:
    """This process's model, opened when it is first asked for. It is mapped: processes of a machine share its pages."""
    return reopen(path, threads, None, True, sha256)


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
    temporary = f"{name}.tmp-{uuid.uuid4().hex}"  # no other process of any machine has it
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
