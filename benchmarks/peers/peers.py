"""Times octavo and other engines in turns, each in a process of its own, and keeps every sample as JSON.

The engines take turns A B C A B C, so that what slows the machine for a while slows all of them. See README.md.
"""
import argparse
import datetime
import importlib.metadata
import json
import os
import pathlib
import platform
import subprocess
import sys
import time

import numpy as np

import accuracy
from engines import ENGINES
from machine import ISA_FLAGS, cpu_flags, cpu_name
from workloads import ACCURACY, WORKLOADS

PACKAGES = ("openvino", "nncf", "onnxruntime", "ctranslate2", "torch", "transformers", "onnx", "numpy")
PAUSE = 0.1  # seconds before each turn, in which threads of the one before fall asleep


class WorkerError(Exception):
    pass


class Worker:
    """The driver's end of worker.py; as a context it ends the process."""

    def __init__(self, engine, workload, threads, options):
        order = {"engine": engine, "workload": workload, "threads": threads, "work": options.work, "passes": options.passes}
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "KMP_BLOCKTIME": "10", "HF_HUB_OFFLINE": "1",
                       "TOKENIZERS_PARALLELISM": "false", "OPENVINO_TELEMETRY_OPT_OUT": "1"}
        self.log = open(options.log, "a", encoding="utf-8")
        print(f"== {engine} {workload} {threads}", file=self.log, flush=True)
        self.process = subprocess.Popen(
            [sys.executable, pathlib.Path(__file__).with_name("worker.py"), json.dumps(order)], text=True, env=environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log)

    def ask(self, task):
        try:
            self.process.stdin.write(task + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise WorkerError(f"its process died with {self.process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer["answer"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()
        self.log.close()


class Run:
    """Results so far; saved after every step, since hours may lie between the first and the last."""

    def __init__(self, options):
        self.options = options
        version = subprocess.run([options.octavo, "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]
        flags = cpu_flags()
        self.results = {
            "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
            "cpu": cpu_name(), "cores": len(os.sched_getaffinity(0)), "isa": [flag for flag in ISA_FLAGS if flag in flags],
            "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
            "versions": {"octavo": version, **{name: importlib.metadata.version(name) for name in PACKAGES}},
            "engines": {name: engine.title for name, engine in ENGINES.items()},
            "workloads": {name: workload.title for name, workload in WORKLOADS.items()},
            "rounds": options.rounds, "passes": options.passes, "cells": [], "accuracy": [], "notes": []}

    def save(self):
        temporary = self.options.out.with_suffix(".unfinished")
        temporary.write_text(json.dumps(self.results, indent=1) + "\n")
        temporary.replace(self.options.out)

    def note(self, engine, workload, reason):
        """Why a cell stays empty."""
        say(f"{workload}: {engine}: {reason}")
        self.results["notes"].append({"engine": engine, "workload": workload, "reason": reason})

    def start(self, engine, workload, threads):
        """A worker that has loaded its model, or None."""
        worker = Worker(engine, workload, threads, self.options)
        try:
            worker.ask("load")
            return worker
        except WorkerError as error:
            worker.__exit__()
            self.note(engine, workload, str(error))

    def prepare(self, engines, workload):
        """The engines that can run the workload, with their files made."""
        able = []
        for engine in engines:
            with Worker(engine, workload, 1, self.options) as worker:
                start = time.monotonic()
                try:
                    worker.ask("prepare")
                    able.append(engine)
                except WorkerError as error:
                    self.note(engine, workload, str(error))
            if time.monotonic() - start > 10:
                say(f"{workload}: {engine}: prepared in {time.monotonic() - start:.0f} s")
        return able

    def time(self, engines, workload, threads):
        started = {engine: self.start(engine, workload, threads) for engine in engines}
        workers = {engine: worker for engine, worker in started.items() if worker}
        samples = {engine: [] for engine in workers}
        for _ in range(self.options.rounds):
            for engine, worker in list(workers.items()):
                time.sleep(PAUSE)
                try:
                    samples[engine].append(worker.ask("time"))
                except WorkerError as error:
                    self.note(engine, workload, str(error))
                    workers.pop(engine).__exit__()
        if "octavo" in workers:
            self.results["octavo_isa"] = workers["octavo"].ask("isa")
        for engine, worker in workers.items():
            worker.__exit__()
            self.results["cells"].append(
                {"workload": workload, "threads": threads, "engine": engine, "samples_ms": samples[engine]})
            say(f"{workload}, {threads} threads: {engine} {np.median(np.concatenate(samples[engine])):.2f} ms")

    def compare(self, engines, workload):
        answers = {}
        for engine in dict.fromkeys(["torch", *engines]):
            worker = self.start(engine, workload.name, 1)
            if not worker:
                continue
            with worker:
                try:
                    answers[engine] = np.array(worker.ask("answers"))
                except WorkerError as error:
                    self.note(engine, workload.name, str(error))
        for engine in engines if "torch" in answers else ():
            if engine in answers:
                closeness = accuracy.compare(answers[engine], answers["torch"], workload.model.family == "vit")
                self.results["accuracy"].append({"model": workload.model.name, "engine": engine, **closeness})
                say(f"{workload.name}: {engine} {closeness}")


def say(line):
    print(line, file=sys.stderr, flush=True)


def choice(known):
    def parse(text):
        names = text.split(",")
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"'{name}', expected names of {', '.join(known)}")
        return [name for name in known if name in names]

    return parse


def arguments():
    parser = argparse.ArgumentParser(prog="run.sh", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    path = pathlib.Path
    cache = path(os.environ.get("XDG_CACHE_HOME") or path.home() / ".cache")
    parser.add_argument("--octavo", type=path, required=True, help="the octavo command, of a build for speed")
    parser.add_argument("--minilm", type=path, required=True, help="checkpoint all-MiniLM-L6-v2")
    parser.add_argument("--cross-encoder", type=path, help="checkpoint of a BERT that scores pairs; without it reranking is left out")
    parser.add_argument("--mpnet", type=path, help="checkpoint all-mpnet-base-v2; without it that is left out")
    parser.add_argument("--deit", type=path, required=True, help="checkpoint deit-tiny-patch16-224, with timm's names")
    parser.add_argument("--texts", type=path, required=True, help=".tsv of sentence pairs to calibrate on, and to time")
    parser.add_argument("--test-texts", type=path, help="another one, to compare embeddings on; without it they are not compared")
    parser.add_argument("--pictures", type=path, required=True, help="folder of pictures to calibrate and to compare classes on")
    parser.add_argument("--opt-tokenizer", type=path, help="folder of OPT's vocab.json and merges.txt; without it OPT is left out")
    parser.add_argument("--out", type=path, required=True, help="results, as JSON")
    parser.add_argument("--work", type=path, default=cache / "octavo-peers" / "work",
                        help="folder of exported models (default: %(default)s)")
    parser.add_argument("--workloads", type=choice(WORKLOADS), default=list(WORKLOADS), help="some of " + ", ".join(WORKLOADS))
    parser.add_argument("--engines", type=choice(ENGINES), default=list(ENGINES), help="some of " + ", ".join(ENGINES))
    parser.add_argument("--threads", type=lambda text: [int(n) for n in text.split(",")], default=[1],
                        help="1, or 1,2 (default: 1)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each engine (default: %(default)s)")
    parser.add_argument("--passes", type=int, default=10, help="timed passes in a turn (default: %(default)s)")
    parser.add_argument("--prepare", action="store_true", help="only make the models of all engines, and time nothing")
    parser.add_argument("--no-accuracy", action="store_true", help="compare no answers")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    options.log = options.work / "workers.log"
    options.log.unlink(missing_ok=True)
    options.octavo = options.octavo.resolve()

    def absolute(given):
        return given and str(given.resolve())

    options.work = {"folder": absolute(options.work), "octavo": str(options.octavo), "texts": absolute(options.texts),
                    "checkpoints": {"minilm": absolute(options.minilm), "cross-encoder": absolute(options.cross_encoder),
                                    "mpnet": absolute(options.mpnet), "deit": absolute(options.deit)},
                    "opt_tokenizer": absolute(options.opt_tokenizer), "test_texts": absolute(options.test_texts),
                    "pictures": absolute(options.pictures)}
    return options


def main():
    options = arguments()
    run = Run(options)
    able = {}
    for name in options.workloads:
        able[name] = run.prepare(options.engines, name)
    for name in () if options.prepare else options.workloads:
        for threads in options.threads:
            run.time(able[name], name, threads)
            run.save()
    for workload in () if options.prepare or options.no_accuracy else ACCURACY.values():
        if workload.name == "minilm-accuracy" and not options.test_texts:
            run.note("all", workload.name, "needs --test-texts")
            continue
        users = [name for name in options.workloads if WORKLOADS[name].model == workload.model]
        run.compare(able[users[0]] if users else [], workload)
        run.save()
    run.save()


if __name__ == "__main__":
    main()
