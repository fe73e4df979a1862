"""Threads, forks, spawned processes, pickles, interrupts, and the command."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import octavo

TEXTS = [f"Sentence number {i} is about {'cats' if i % 2 else 'the price of tea'}." for i in range(100)]


def test_eight_threads_on_one_model_give_the_same_bytes(model: octavo.Model) -> None:
    expected = model.encode(TEXTS)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for found in pool.map(lambda _: model.encode(TEXTS, batch_size=16), range(16)):
            assert np.array_equal(found, expected)


def _encode(model: octavo.Model) -> bytes:
    return bytes(model.encode(TEXTS[:4]).tobytes())


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_use_a_model_of_their_parent(model: octavo.Model, method: str) -> None:
    expected = _encode(model)
    context = multiprocessing.get_context(method)
    with context.Pool(2) as pool:
        assert pool.map_async(_encode, [model] * 4).get(60) == [expected] * 4


def test_a_model_that_was_used_and_preloaded_works_in_forked_workers(model: octavo.Model) -> None:
    """As gunicorn --preload has it: opened and used in the parent, used in children that were forked meanwhile."""
    expected = _encode(model)
    stop = threading.Event()
    busy = threading.Thread(target=lambda: [model.encode(TEXTS[:8]) for _ in iter(stop.is_set, True)])
    busy.start()
    try:
        for _ in range(4):
            child = os.fork()
            if child == 0:
                same = _encode(model) == expected and _encode(model) == expected
                del model
                os._exit(0 if same else 1)
            deadline = time.monotonic() + 30
            ended, status = os.waitpid(child, os.WNOHANG)
            while ended == 0 and time.monotonic() < deadline:
                time.sleep(0.01)
                ended, status = os.waitpid(child, os.WNOHANG)
            if ended == 0:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
            assert ended == child and status == 0
    finally:
        stop.set()
        busy.join()
    assert _encode(model) == expected


def test_a_pickle_is_a_path_and_refuses_another_file(model_path: str, tmp_path: object) -> None:
    copy = os.path.join(str(tmp_path), "copy.octavo")
    shutil.copy(model_path, copy)
    data = pickle.dumps(octavo.Model(copy, threads=1, mmap=True))
    assert len(data) < 1000
    opened = pickle.loads(data)
    assert opened.encode("a").shape == (opened.embedding_size,) and opened._mmap and opened._threads == 1
    with open(copy, "ab") as file:
        file.write(b" ")
    with pytest.raises(octavo.Error, match="copy.octavo: is another file"):
        pickle.loads(data)


def test_mapped_and_read_models_answer_alike(model: octavo.Model, model_path: str) -> None:
    assert _encode(octavo.Model(model_path, mmap=True)) == _encode(model)


def test_an_interrupt_ends_a_long_call_between_batches(model_path: str) -> None:
    code = f"""
import octavo, sys
model = octavo.Model({model_path!r}, threads=1)
print("ready", flush=True)
try:
    model.encode(["word " * 200] * 20000)
except KeyboardInterrupt:
    assert model.encode("a").shape
    sys.exit(42)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"ready\n"
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 42


def test_importing_is_quick_and_loads_no_library(model_path: str) -> None:
    code = (
        "import numpy, sys, time; t = time.process_time(); import octavo; t = time.process_time() - t;"
        "assert 'liboctavo' not in open('/proc/self/maps').read(); print(t)"
    )
    times = [float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(3)]
    assert min(times) < 0.15  # of the CPU, which others may want, too


def test_the_command_is_there(model_path: str) -> None:
    command = [sys.executable, "-m", "octavo"]
    help_ = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True).stdout
    assert "octavo SUBCOMMAND" in help_
    wrong = subprocess.run([*command, "embed"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2 and "--help" in wrong.stderr
    assert octavo.cpu_info()["threads"] >= 1
