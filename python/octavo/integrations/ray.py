"""Ray: a column of vectors in Ray Data, and ``octavo.batch`` on a cluster."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from .. import _arguments, batch
from ..model import Model
from ._columns import check_options, embedded

try:
    import ray
except ImportError as error:
    raise ImportError("octavo.integrations.ray needs ray: pip install 'ray[data]'") from error


class Embedder:
    """An actor class for Ray Data, which adds a column of vectors.

    dataset.map_batches(
        Embedder,
        fn_constructor_kwargs={"model": "minilm.octavo"},
        batch_format="pyarrow",  # whose texts are read in place; "numpy" will do, too
        batch_size=1024,
        num_cpus=4,
        compute=ray.data.ActorPoolStrategy(size=8),
    )

    An actor opens the model once and has as many threads as CPUs; the actors of a machine share the file's pages.
    ``model`` is a path that all machines have; ``options`` are those of ``octavo.Model.encode``.
    """

    def __init__(self, model: str, *, column: str = "text", output_column: str = "embedding", **options: Any) -> None:
        check_options(options, ("float32", "binary", "ubinary"))
        self._model = Model(model, threads=assigned_cpus(), mmap=True)
        self._column, self._output, self._options = column, output_column, options

    def __call__(self, batch: Any) -> Any:
        if isinstance(batch, dict):
            if self._column not in batch:
                raise ValueError(f"column is {self._column!r}, expected one of {', '.join(batch)}")
            return {**batch, self._output: self._model.encode(batch[self._column], **self._options)}
        if not hasattr(batch, "append_column"):
            raise TypeError(f"a batch is {type(batch).__name__}, expected batch_format 'pyarrow' or 'numpy'")
        import pyarrow as pa

        vectors = embedded(self._model, batch, self._column, self._options)
        column = pa.FixedSizeListArray.from_arrays(pa.array(np.ravel(vectors)), vectors.shape[1])
        return batch.append_column(self._output, column)


def assigned_cpus() -> int:
    """Whole CPUs of this task or actor, at least one."""
    context: Any = ray.get_runtime_context()
    return max(int(context.get_assigned_resources().get("CPU", 1)), 1)


def embed(
    model: str | os.PathLike[str],
    source: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    num_cpus: int = 1,
    **options: Any,
) -> batch.Summary:
    """Does the job of ``octavo.batch.embed`` on the cluster that Ray is connected to, a task per shard.

    All machines see the files under the same names. The bytes are those of one process: a task that is lost with its
    worker is run again, and a job that was stopped goes on with the shards that are missing.

    Args:
        model: a ``.octavo`` file or a checkpoint directory.
        num_cpus: of each task, which has as many threads.
        options: of ``octavo.batch.embed``: ``column``, ``shard_rows``, ``format``, and of ``Model.encode``.
    """
    _arguments.integer("num_cpus", num_cpus)
    job = batch.prepare(model, source, folder, **options)
    task, reference = ray.remote(num_cpus=num_cpus)(_embed_shard), ray.put(job)
    return batch.run(job, lambda missing: ray.get([task.remote(reference, number) for number in missing]))


def _embed_shard(job: batch.Job, number: int) -> None:
    batch.embed_shard(job, number, assigned_cpus())
