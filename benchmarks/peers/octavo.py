"""octavo, by way of its command."""
import json
import pathlib
import subprocess

import numpy as np

from engine import Engine
from work import Unsupported, resized


class Octavo(Engine):
    """Times itself: every turn is a run of `octavo bench`, which loads the model anew."""

    name, title = "octavo", "octavo int8"

    @property
    def file(self):
        return self.folder / "octavo.octavo"

    def prepare(self):
        """Anew when the program is newer than the file."""
        if self.file.exists() and self.file.stat().st_mtime < pathlib.Path(self.work.octavo).stat().st_mtime:
            self.file.unlink()
        self.work.kept(self.file, self.calibrate)

    def calibrate(self, file):
        data, options = self.folder / "calibration.txt", ["--rounding", "nearest"] if self.model.shape else []
        if self.model.family == "vit":
            lines = map(str, self.work.data.calibration_pictures())
        else:
            lines = self.work.data.calibration_texts(self.model)
        data.write_text("\n".join(lines) + "\n", encoding="utf-8")
        if self.model.family == "opt":
            options += ["--max-length", "256"]
        self.call("calibrate", self.checkpoint, "-d", data, "-o", file, *options)

    def call(self, *arguments):
        command = [self.work.octavo, *map(str, arguments), "-q"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise Unsupported(done.stderr.strip().splitlines()[-1])
        return done.stdout

    def load(self):
        self.texts = self.folder / "texts.txt"
        self.texts.write_text("\n".join(self.work.data.timed_texts()) + "\n", encoding="utf-8")
        self.isa = None

    def time(self, passes):
        inputs = {"tokens": ["-p", self.workload.length], "texts": ["-f", self.texts], "pictures": [],
                  "prefill": ["-p", self.workload.length], "decode": ["-p", self.workload.length, "-n", self.workload.steps]}
        answer = self.call("bench", "-m", self.file, *inputs[self.workload.kind], "-b", self.workload.batch, "-t", self.threads,
                           "-r", passes, "--warmup", 2, "-o", "json")
        row = json.loads(answer)["results"][0]
        self.isa = row["isa"]
        return row["latency_ms"]["samples"]

    def answers(self):
        inputs, answer = self.folder / "inputs.txt", self.folder / "answers.npy"
        if self.model.family == "bert":
            inputs.write_text("\n".join(self.work.data.accuracy_texts()) + "\n", encoding="utf-8")
            self.call("embed", "-m", self.file, "-f", inputs, "--pooling", "mean", "-o", answer)
            return np.load(answer)
        pictures = self.folder / "pictures"
        pictures.mkdir(exist_ok=True)
        files = [pictures / (picture.stem + ".png") for picture in self.work.data.accuracy_pictures()]
        for file, picture in zip(files, self.work.data.accuracy_pictures()):
            resized(picture).save(file)
        inputs.write_text("\n".join(map(str, files)) + "\n")
        rows = [json.loads(line)["labels"] for line in self.call(
            "classify", "-m", self.file, "-f", inputs, "--top-k", 1000, "--json").splitlines()]
        # Logarithms of its scores are the logits but for a constant, which the comparison takes off everyone's.
        return np.log([[label["score"] for label in sorted(row, key=lambda label: label["id"])] for row in rows])
