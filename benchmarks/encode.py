#!/usr/bin/env python3
"""Seconds, CPU time and memory of embedding many sentences end to end, from str to an array, in octavo's Python package and its peers.

Usage: encode.py TEXTS.tsv CHECKPOINT MODEL.octavo [--onnx FILE]... [--openvino FILE]... [--threads N] [--count N] [--rounds N]
                 [--engines octavo,command,sentence-transformers,onnx,openvino]

Every engine runs in a process of its own that opens the model, embeds 256 sentences to warm up, and then all of them; engines take
turns, so that a busy machine is busy for all. sentence-transformers is as its users run it; ONNX and OpenVINO graphs of last hidden
states (benchmarks/peers makes them) get what sentence-transformers does around them: sentences sorted by length, batches of 32, the
tokenizers library, the mean, unit length. `octavo embed` reads the same sentences of a file and writes a .npy file; its time is that
of the process less that of embedding 256 sentences, scaled to all.
"""
import argparse
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

BATCH = 32


def sentences_of(tsv, count):
    texts = []
    for line in pathlib.Path(tsv).read_text(encoding="utf-8").splitlines():
        texts += line.split("\t")[:2]
    return (texts * (count // len(texts) + 1))[:count]


def octavo(options):
    import octavo

    return octavo.Model(options.model, threads=options.threads).encode


def sentence_transformers(options):
    import sentence_transformers
    import torch

    torch.set_num_threads(options.threads)
    model = sentence_transformers.SentenceTransformer(options.checkpoint, device="cpu", model_kwargs={"dtype": torch.float32})
    return lambda texts: model.encode(texts, batch_size=BATCH, show_progress_bar=False)


def around(run, options):
    """What sentence-transformers does around a graph."""
    import numpy as np
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(os.path.join(options.checkpoint, "tokenizer.json"))
    tokenizer.enable_padding()
    tokenizer.enable_truncation(256)

    def encode(texts):
        order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
        rows = np.empty((len(texts), 384), np.float32)
        for first in range(0, len(order), BATCH):
            places = order[first : first + BATCH]
            encoded = tokenizer.encode_batch([texts[i] for i in places])
            ids, mask = (np.array([getattr(e, name) for e in encoded], np.int64) for name in ("ids", "attention_mask"))
            states = run({"input_ids": ids, "attention_mask": mask})
            vectors = (states * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
            rows[places] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return rows

    return encode


def onnx(options, file):
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = options.threads
    session = onnxruntime.InferenceSession(file, settings, providers=["CPUExecutionProvider"])
    return around(lambda feed: session.run(None, feed)[0], options)


def openvino(options, file):
    import openvino

    core = openvino.Core()
    settings = {"INFERENCE_NUM_THREADS": options.threads, "PERFORMANCE_HINT": "LATENCY"}
    request = core.compile_model(core.read_model(file), "CPU", settings).create_infer_request()
    return around(lambda feed: next(iter(request.infer(feed, share_inputs=True).values())), options)


def measure(options, name, file):
    makers = {"octavo": octavo, "sentence-transformers": sentence_transformers}
    start = time.perf_counter()
    encode = makers[name](options) if name in makers else globals()[name](options, file)
    texts = sentences_of(options.texts, options.count)
    opened = time.perf_counter()
    encode(texts[:256])
    warm, cpu = time.perf_counter(), time.process_time()
    vectors = encode(texts)
    seconds, cpu = time.perf_counter() - warm, time.process_time() - cpu
    assert vectors.shape == (len(texts), 384)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"open": opened - start, "seconds": seconds, "cpu": cpu, "peak": peak, "first": vectors[0][:3].tolist()}))


def measure_command(options):
    times, cpu = [], []
    with tempfile.TemporaryDirectory() as folder:
        for count in (256, options.count):
            file = pathlib.Path(folder, f"{count}.txt")
            file.write_text("\n".join(sentences_of(options.texts, count)) + "\n", encoding="utf-8")
            words = [sys.executable, "-m", "octavo", "embed", "-m", options.model, "-f", file, "-o", f"{file}.npy", "-q"]
            start = time.perf_counter()
            subprocess.run([*words, "-t", str(options.threads)], check=True)
            times.append(time.perf_counter() - start)
            used = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu.append(used.ru_utime + used.ru_stime - sum(cpu))
    share = options.count / (options.count - 256)
    figures = {"open": times[0], "seconds": (times[1] - times[0]) * share, "cpu": (cpu[1] - cpu[0]) * share}
    figures["peak"] = used.ru_maxrss / 1024
    print(json.dumps(figures))


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("texts")
    parser.add_argument("checkpoint")
    parser.add_argument("model")
    parser.add_argument("--onnx", action="append", default=[])
    parser.add_argument("--openvino", action="append", default=[])
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engines", default="octavo,command,sentence-transformers,onnx,openvino")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        name, file = options.one
        return measure_command(options) if name == "command" else measure(options, name, file)
    engines = [("octavo", ""), ("command", ""), ("sentence-transformers", "")]
    engines += [("onnx", file) for file in options.onnx] + [("openvino", file) for file in options.openvino]
    engines = [engine for engine in engines if engine[0] in ("octavo", *options.engines.split(","))]
    found = {engine: [] for engine in engines}
    for _ in range(options.rounds):
        for engine in engines:
            words = [sys.executable, "-W", "ignore", *sys.argv, "--one", *engine]
            ran = subprocess.run(words, capture_output=True, text=True, env={**os.environ, "HF_HUB_OFFLINE": "1"})
            if ran.returncode != 0:
                print(*engine, "fails:", ran.stderr.strip().splitlines()[-1], file=sys.stderr)
            else:
                found[engine].append(json.loads(ran.stdout.splitlines()[-1]))
                print(*engine, found[engine][-1], file=sys.stderr, flush=True)
    print(f"{options.count} sentences, {options.threads} threads, median of {options.rounds} rounds")
    for (name, file), runs in found.items():
        if not runs:
            continue
        seconds, cpu, peak = (statistics.median(run[key] for run in runs) for key in ("seconds", "cpu", "peak"))
        ratio = statistics.median(run["seconds"] / base["seconds"] for run, base in zip(runs, found["octavo", ""]))
        print(f"{name} {os.path.basename(file)}\t{seconds:.2f} s\t{ratio:.2f} x octavo\t{cpu:.2f} s of CPU\t{peak:.0f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
