"""Where things lie: checkpoints, what is made of them for each engine and kept, and the inputs of passes."""
import dataclasses
import hashlib
import pathlib
import shutil
import subprocess
import sys

import numpy as np
from PIL import Image
from tokenizers import Tokenizer

import workloads
from workloads import Data, picture_feed, text_feed

HERE = pathlib.Path(__file__).resolve().parent
RESIZED = 248  # the short side from which both DeiT and octavo cut the centre
MEANS = {"deit": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))}  # the others' are 0.5


class Unsupported(Exception):
    """A cell that stays empty, and why."""


@dataclasses.dataclass
class Work:
    folder: str
    octavo: str
    checkpoints: dict  # by the name of the model
    opt_tokenizer: str | None
    texts: str
    test_texts: str | None
    pictures: str

    @property
    def data(self):
        return Data(self.texts, self.test_texts, self.pictures)

    def checkpoint(self, model):
        """The user's, or one with random weights of the model's shape."""
        if model.name in self.checkpoints:
            if not self.checkpoints[model.name]:
                raise Unsupported(f"needs --{model.name}")
            return self.checkpoints[model.name]
        directory = pathlib.Path(self.folder, "checkpoints", model.name)
        tokenizer = self.opt_tokenizer if model.family == "opt" else self.checkpoints["minilm"]
        if not tokenizer:
            raise Unsupported("needs --opt-tokenizer")
        command = [sys.executable, HERE.parent / "random_checkpoint.py", model.shape]
        return self.kept(directory, lambda temporary: subprocess.run([*command, temporary, "--tokenizer", tokenizer], check=True))

    def folder_of(self, model):
        """Of its own for each checkpoint, calibration data and list of versions, so that nothing stale is timed."""
        checkpoint = pathlib.Path(self.checkpoint(model)).resolve()
        newest = max(file.stat().st_mtime for file in checkpoint.glob("*.safetensors"))
        key = [str(checkpoint), newest, self.texts, self.pictures, (HERE / "requirements.txt").read_text()]
        folder = pathlib.Path(self.folder, f"{model.name}-{hashlib.sha256(repr(key).encode()).hexdigest()[:8]}")
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @staticmethod
    def kept(path, make):
        """The file or folder, made if it is not there; whole or not at all."""
        if not path.exists():
            temporary = path.with_name("unfinished-" + path.name)
            if temporary.is_dir():
                shutil.rmtree(temporary)
            make(temporary)
            temporary.rename(path)
        return path

    def tokenize(self, model, texts):
        directory = self.checkpoints.get(model.name) or self.checkpoints["minilm"]
        tokenizer = Tokenizer.from_file(str(pathlib.Path(directory, "tokenizer.json")))
        tokenizer.no_padding()
        tokenizer.enable_truncation(512)
        return [encoding.ids for encoding in tokenizer.encode_batch(texts)]

    def feeds(self, workload):
        """Inputs of one pass, batch by batch."""
        model = workload.model
        if workload.kind == "texts":
            return [text_feed(batch) for batch in workloads.batches(self.tokenize(model, self.data.timed_texts()), workload.batch)]
        if workload.kind == "accuracy":
            if model.family == "bert":
                return [text_feed([ids]) for ids in self.tokenize(model, self.data.accuracy_texts())]
            return [self.pictures_of(model, [picture]) for picture in self.data.accuracy_pictures()]
        if workload.kind == "pictures":
            return [picture_feed(workloads.made_up_pictures(workload.batch), *self.normalization(model))]
        ids = workloads.made_up_tokens(workload.batch, workload.length, workloads.VOCABULARY[model.family])
        return [text_feed(list(ids)) if model.family == "bert" else {"input_ids": ids}]

    def calibration_feeds(self, model):
        if model.family == "bert":
            return [text_feed([ids]) for ids in self.tokenize(model, self.data.calibration_texts(model))]
        if model.family == "vit":
            return [self.pictures_of(model, [picture]) for picture in self.data.calibration_pictures()]
        return [{"input_ids": ids[None]} for ids in workloads.made_up_tokens(16, 128, workloads.VOCABULARY["opt"])]

    @staticmethod
    def normalization(model):
        return MEANS.get(model.name, ((0.5,) * 3, (0.5,) * 3))

    def pictures_of(self, model, files):
        first = (RESIZED - workloads.PICTURE_SIZE) // 2
        last = first + workloads.PICTURE_SIZE
        pixels = [np.asarray(resized(file))[first:last, first:last] for file in files]
        return picture_feed(pixels, *self.normalization(model))


def resized(file):
    """The centre square at the size from which models cut theirs: octavo does not scale such a picture any more."""
    picture = Image.open(file).convert("RGB")
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    return picture.resize((RESIZED, RESIZED), Image.Resampling.BICUBIC, (left, top, left + side, top + side))
