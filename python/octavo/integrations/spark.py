"""Spark: a column of vectors in a DataFrame, and ``octavo.batch`` on a cluster.

Each Python worker opens the model once and has as many threads as ``spark.task.cpus``; the workers of a machine share
the file's pages. Paths are those that all machines have.
"""

from __future__ import annotations

import os
from typing import Any, Callable, Iterator

import numpy as np

from .. import batch
from .._fingerprint import fingerprint
from ._columns import check_options, embedded

try:
    from pyspark import TaskContext
    from pyspark.sql.types import ArrayType, FloatType, StructField, StructType
except ImportError as error:
    raise ImportError("octavo.integrations.spark needs pyspark: pip install pyspark pyarrow pandas") from error

_VECTOR = ArrayType(FloatType(), containsNull=False)


def with_embeddings(
    frame: Any,
    model: str | os.PathLike[str],
    *,
    column: str = "text",
    output_column: str = "embedding",
    **options: Any,
) -> Any:
    """Adds a column of vectors, ``array<float>``, by ``mapInArrow``: the texts are read in place.

    Args:
        frame: a DataFrame.
        model: a ``.octavo`` file or a checkpoint directory.
        options: of ``octavo.Model.encode``.
    """
    if column not in frame.columns:
        raise ValueError(f"column is {column!r}, expected one of {', '.join(frame.columns)}")
    function = embed_batches(model, column=column, output_column=output_column, **options)
    return frame.mapInArrow(function, StructType([*frame.schema.fields, StructField(output_column, _VECTOR)]))


def embed_batches(
    model: str | os.PathLike[str], *, column: str = "text", output_column: str = "embedding", **options: Any
) -> Callable[[Iterator[Any]], Iterator[Any]]:
    """Gives the function that ``with_embeddings`` hands to ``mapInArrow``."""
    check_options(options, ("float32",))
    path, sha256 = os.path.abspath(model), fingerprint(os.fspath(model))

    def add_column(batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow as pa

        opened = batch.shared_model(path, sha256, task_cpus())
        for one in batches:
            vectors = embedded(opened, one, column, options)
            ends = pa.array(np.arange(0, vectors.size + 1, vectors.shape[1], dtype=np.int32))
            lists = pa.ListArray.from_arrays(ends, pa.array(np.ravel(vectors)))
            yield pa.RecordBatch.from_arrays([*one.columns, lists], [*one.schema.names, output_column])

    return add_column


def embed_udf(model: str | os.PathLike[str], *, batch_size: int = 1024, **options: Any) -> Any:
    """Gives a function of a column of texts, by ``predict_batch_udf``.

    frame.withColumn("embedding", embed_udf("minilm.octavo")("text"))

    Args:
        model: a ``.octavo`` file or a checkpoint directory.
        batch_size: rows that Spark hands over at a time.
        options: of ``octavo.Model.encode``.
    """
    from pyspark.ml.functions import predict_batch_udf

    check_options(options, ("float32",))
    path, sha256 = os.path.abspath(model), fingerprint(os.fspath(model))

    def make_predict() -> Callable[[Any], Any]:
        opened = batch.shared_model(path, sha256, task_cpus())
        return lambda texts: opened.encode(texts, **options)

    return predict_batch_udf(make_predict, return_type=_VECTOR, batch_size=batch_size)


def task_cpus() -> int:
    """``spark.task.cpus`` of the task that asks."""
    context = TaskContext.get()
    return 1 if context is None else max(int(context.cpus()), 1)


def embed(
    spark: Any,
    model: str | os.PathLike[str],
    source: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    **options: Any,
) -> batch.Summary:
    """Does the job of ``octavo.batch.embed`` on a Spark cluster, a task per shard.

    All machines see the files under the same names. The bytes are those of one process: a task that is lost with its
    worker is run again (in local mode with the master ``local[2,4]``), and a job that was stopped goes on with the
    shards that are missing.

    Args:
        spark: the SparkSession.
        model: a ``.octavo`` file or a checkpoint directory.
        options: of ``octavo.batch.embed``: ``column``, ``shard_rows``, ``format``, and of ``Model.encode``.
    """
    job = batch.prepare(model, source, folder, **options)

    def work(missing: list[int]) -> None:
        def embed_shards(batches: Iterator[Any]) -> Iterator[Any]:
            for one in batches:
                for place in one.column(0).to_pylist():
                    batch.embed_shard(job, missing[place], task_cpus())
                yield one

        spark.range(0, len(missing), 1, len(missing)).mapInArrow(embed_shards, "id long").collect()

    return batch.run(job, work)
