"""A job that embeds a file: shards, resumed after its process is killed, shared by processes."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import octavo
from octavo import batch

TEXTS = [f"Text {i} of a corpus about {'rain' if i % 3 else 'tea'}." for i in range(400)]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    file = tmp_path_factory.mktemp("source") / "texts.txt"
    file.write_text("\n".join(TEXTS) + "\n")
    return file


def contents(folder: pathlib.Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if ".tmp-" not in file.name}


def test_shards_hold_the_embeddings_in_order(model: octavo.Model, source: pathlib.Path, tmp_path: pathlib.Path) -> None:
    summary = batch.embed(model, source, tmp_path, shard_rows=150)
    assert (summary.shards, summary.written, summary.rows, summary.complete) == (3, 3, 400, True)
    shards = [np.load(file) for file in sorted(tmp_path.glob("*.npy"))]
    assert np.array_equal(np.concatenate(shards), model.encode(TEXTS))
    assert batch.embed(model, source, tmp_path, shard_rows=150).written == 0
    with pytest.raises(octavo.Error, match="shard_rows was 150 and is 100"):
        batch.embed(model, source, tmp_path, shard_rows=100)
    with pytest.raises(octavo.Error, match="options was"):
        batch.embed(model, source, tmp_path, shard_rows=150, truncate_dim=8)
    with pytest.raises(FileNotFoundError, match="nowhere.txt"):
        batch.embed(model, "nowhere.txt", tmp_path)
    with pytest.raises(ValueError, match="part is 2"):
        batch.embed(model, source, tmp_path, part=2, parts=2)


def test_a_killed_job_goes_on_and_ends_with_the_same_bytes(
    model: octavo.Model, model_path: str, source: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    batch.embed(model, source, whole, shard_rows=20)
    words = [sys.executable, "-m", "octavo.batch", model_path, str(source), str(killed), "--shard-rows", "20"]
    process = subprocess.Popen(words)
    while not list(killed.glob("part-*.npy")) and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = len(list(killed.glob("part-*.npy")))
    assert 0 < before < 20 and not (killed / "done.json").exists()
    subprocess.run(words, check=True)
    assert contents(killed) == contents(whole)
    assert json.loads((killed / "done.json").read_text())["rows"] == 400


def test_processes_share_a_job(model: octavo.Model, source: pathlib.Path, tmp_path: pathlib.Path) -> None:
    assert not batch.embed(model, source, tmp_path, shard_rows=100, part=0, parts=2).complete
    second = batch.embed(model, source, tmp_path, shard_rows=100, part=1, parts=2)
    assert second.written == 2 and second.complete


def test_columns_of_arrow_parquet_and_json(model: octavo.Model, tmp_path: pathlib.Path) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    table = pa.table({"id": [1, 2, 3], "body": TEXTS[:3]})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    with pa.ipc.new_file(str(tmp_path / "a.arrow"), table.schema) as writer:
        writer.write_table(table)
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"body": text}) + "\n" for text in TEXTS[:3]))
    for kind in ("parquet", "arrow", "jsonl"):
        folder = tmp_path / kind
        batch.embed(model, tmp_path / f"a.{kind}", folder, column="body", format="arrow", shard_rows=2)
        first = pa.ipc.open_file(os.fspath(folder / "part-00000.arrow")).read_all()
        assert first["text"].to_pylist() == TEXTS[:2]
        found = np.array(first["embedding"].to_pylist(), np.float32)
        assert np.array_equal(found, model.encode(TEXTS[:2]))
        with pytest.raises(octavo.Error, match="no (column|text) 'title'"):
            batch.embed(model, tmp_path / f"a.{kind}", tmp_path / (kind + "2"), column="title")
