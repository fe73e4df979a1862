"""Ray and Spark: columns, and jobs whose workers are killed; skipped, by name, where they are not installed."""

from __future__ import annotations

import os
import pathlib
import signal
import sys
import threading
import time
from typing import Any, Callable, Iterator

import numpy as np
import pytest

import octavo
from octavo import batch

TEXTS = [f"Text {i} of a corpus about {'rain' if i % 3 else 'tea'}." for i in range(2000)]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    file = str(tmp_path_factory.mktemp("source") / "texts.parquet")
    pyarrow.parquet.write_table(pa.table({"id": range(len(TEXTS)), "text": TEXTS}), file, row_group_size=300)
    return file


@pytest.fixture(scope="module")
def whole(model: octavo.Model, source: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What one process makes."""
    folder = tmp_path_factory.mktemp("whole")
    batch.embed(model, source, folder, shard_rows=70)
    return contents(folder)


def contents(folder: pathlib.Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if ".tmp-" not in file.name}


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    yield ray
    ray.shutdown()


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    pytest.importorskip("pyspark")
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder = SparkSession.builder.master("local[2,4]").config("spark.ui.enabled", "false")
    session = builder.config("spark.sql.shuffle.partitions", 2).getOrCreate()
    yield session
    session.stop()


def workers(name: str) -> list[int]:
    """Processes below this one whose command line has the name."""
    parents, found = {}, []
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if name in (folder / "cmdline").read_text():
                found.append(int(folder.name))
        except (OSError, ValueError):
            pass  # it has ended
    below = {os.getpid()}
    while more := {process for process, parent in parents.items() if parent in below} - below:
        below |= more
    return [process for process in found if process in below]


def run_and_kill(job: Callable[[], batch.Summary], folder: pathlib.Path, name: str) -> batch.Summary:
    """Runs a job, and kills a worker of it when it has some shards but not all."""
    killed: list[int] = []

    def kill() -> None:
        while len(list(folder.glob("part-*.npy"))) < 3:
            time.sleep(0.005)
        for worker in workers(name):
            os.kill(worker, signal.SIGKILL)
            killed.append(len(list(folder.glob("part-*.npy"))))

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    summary = job()
    thread.join(10)
    assert killed and killed[-1] < summary.shards, "no worker was killed in the middle"
    return summary


def test_ray_data_adds_a_column(ray: Any, model: octavo.Model, model_path: str, source: str) -> None:
    from octavo.integrations.ray import Embedder

    expected = model.encode(TEXTS, truncate_dim=16)
    for form in ("pyarrow", "numpy"):
        table = ray.data.read_parquet(source).map_batches(
            Embedder,
            fn_constructor_kwargs={"model": model_path, "truncate_dim": 16},
            batch_format=form,
            batch_size=256,
            num_cpus=1,
            compute=ray.data.ActorPoolStrategy(size=1),
        )
        rows = sorted(table.take_all(), key=lambda row: row["id"])
        assert np.array_equal(np.array([row["embedding"] for row in rows], np.float32), expected)


def test_a_ray_job_whose_worker_is_killed_has_the_bytes_of_one_process(
    ray: Any, model_path: str, source: str, whole: dict[str, bytes], tmp_path: pathlib.Path
) -> None:
    from octavo.integrations import ray as octavo_ray

    summary = run_and_kill(
        lambda: octavo_ray.embed(model_path, source, tmp_path, shard_rows=70), tmp_path, "ray::_embed_shard"
    )
    assert (summary.shards, summary.rows, summary.complete) == (29, 2000, True)
    assert contents(tmp_path) == whole
    (tmp_path / "part-00007.npy").unlink()
    assert octavo_ray.embed(model_path, source, tmp_path, shard_rows=70, num_cpus=2).written == 1
    assert contents(tmp_path) == whole
    with pytest.raises(octavo.Error, match="shard_rows was 70 and is 71"):
        octavo_ray.embed(model_path, source, tmp_path, shard_rows=71)


def test_spark_adds_a_column(spark: Any, model: octavo.Model, model_path: str, source: str) -> None:
    from octavo.integrations.spark import embed_udf, with_embeddings

    expected = model.encode(TEXTS, truncate_dim=16)
    frame = spark.read.parquet(source).repartition(3)
    for made in (
        with_embeddings(frame, model_path, truncate_dim=16),
        frame.withColumn("embedding", embed_udf(model_path, batch_size=100, truncate_dim=16)("text")),
    ):
        rows = sorted(made.collect(), key=lambda row: row["id"])
        assert [row["text"] for row in rows] == TEXTS
        assert np.array_equal(np.array([row["embedding"] for row in rows], np.float32), expected)
    with pytest.raises(ValueError, match="column is 'body', expected one of id, text"):
        with_embeddings(frame, model_path, column="body")
    with pytest.raises(ValueError, match="precision is 'int8'"):
        embed_udf(model_path, precision="int8")


def test_a_spark_job_whose_worker_is_killed_has_the_bytes_of_one_process(
    spark: Any, model_path: str, source: str, whole: dict[str, bytes], tmp_path: pathlib.Path
) -> None:
    from octavo.integrations import spark as octavo_spark

    summary = run_and_kill(
        lambda: octavo_spark.embed(spark, model_path, source, tmp_path, shard_rows=70), tmp_path, "pyspark.daemon"
    )
    assert (summary.shards, summary.rows, summary.complete) == (29, 2000, True)
    assert contents(tmp_path) == whole
    (tmp_path / "part-00007.npy").unlink()
    assert octavo_spark.embed(spark, model_path, source, tmp_path, shard_rows=70).written == 1
    assert contents(tmp_path) == whole


def test_a_shard_is_read_wherever_it_begins(source: str, tmp_path: pathlib.Path) -> None:
    from octavo import _sources

    pa = pytest.importorskip("pyarrow")
    table = pa.table({"text": TEXTS})
    with pa.ipc.new_file(str(tmp_path / "a.arrow"), table.schema) as writer:
        writer.write_table(table, max_chunksize=300)
    (tmp_path / "a.txt").write_text("\n".join(TEXTS))
    for file in (source, str(tmp_path / "a.arrow"), str(tmp_path / "a.txt")):
        assert _sources.count(file) == len(TEXTS)
        for number in (0, 3, 4, 28):
            assert next(_sources.shards(file, "text", 70, number)) == TEXTS[70 * number : 70 * number + 70]
