"""What the driver asks of an engine."""
import json
import pathlib
import time

import numpy as np


class Engine:
    """One engine with one workload on a number of threads."""

    name = title = ""

    def __init__(self, work, workload, threads):
        self.work, self.workload, self.threads = work, workload, threads
        self.model, self.decodes = workload.model, workload.kind == "decode"

    @property
    def checkpoint(self):
        return self.work.checkpoint(self.model)

    @property
    def folder(self):
        return self.work.folder_of(self.model)

    def prepare(self):
        """Makes what load() reads, if it is not there; raises Unsupported."""

    def load(self):
        self.feeds = self.work.feeds(self.workload)

    def run(self, feed):
        """The answer to a batch."""
        raise NotImplementedError

    def rewind(self):
        """Goes back to the prompt, before what is timed."""

    def decode(self, token):
        """One token behind those before it."""
        raise NotImplementedError

    def one_pass(self):
        if not self.decodes:
            for feed in self.feeds:
                self.run(feed)
        for step in range(self.workload.steps if self.decodes else 0):
            self.decode(np.array([[(step * 7919 + 1000) % 50272]]))

    def time(self, passes):
        """Milliseconds of each pass, of a decoder those of a token, behind one pass that warms the caches."""
        samples = []
        for _ in range(passes + 1):
            self.rewind()
            start = time.perf_counter()
            self.one_pass()
            samples.append(1e3 * (time.perf_counter() - start) / self.workload.steps)
        return samples[1:]

    def answers(self):
        """Of the accuracy workload: embeddings of texts, logits of pictures."""
        answers = [np.array(self.run(feed)) for feed in self.feeds]
        return np.concatenate([a.mean(1) if a.ndim == 3 else a for a in answers])

    def onnx(self):
        import models

        return self.work.kept(self.folder / ("decode.onnx" if self.decodes else "float32.onnx"),
                              lambda file: models.export(self.model, self.checkpoint, file, self.decodes))

    def calibration_feeds(self):
        """Of the exported graph; keys and values of a past are made up, like the weights that they are for."""
        feeds = self.work.calibration_feeds(self.model)
        if not self.decodes:
            return feeds
        import models

        config = json.loads(pathlib.Path(self.checkpoint, "config.json").read_text())
        past = dict(zip(models.past_names(config["num_hidden_layers"]), models.example_past(config, self.workload.length)))
        return [{"input_ids": feed["input_ids"][:, :1], **past} for feed in feeds]
