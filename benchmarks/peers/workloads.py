"""What is timed: models, the passes over them, and their inputs, which are the same for every engine.

Made-up token ids and pixels follow the formulas of `octavo bench`, so that octavo needs no input files.
"""
import dataclasses
import pathlib
import random

import numpy as np

VOCABULARY = {"bert": 30522, "opt": 50272}
PICTURE_SIZE = 224
# What octavo and the peers calibrate on: fewer texts where the weights are random.
CALIBRATION_TEXTS, CALIBRATION_TEXTS_OF_RANDOM, CALIBRATION_PICTURES = 512, 64, 32
TEST_TEXTS, TEST_PICTURES = 200, 64


@dataclasses.dataclass(frozen=True)
class Model:
    name: str
    family: str  # bert (any encoder of texts), vit, opt
    shape: str | None = None  # of random_checkpoint.py; None: a checkpoint that the user names
    classifies: bool = False  # of bert: logits of its head, not last hidden states


@dataclasses.dataclass(frozen=True)
class Workload:
    name: str
    title: str
    model: Model
    kind: str  # tokens, texts, pictures, prefill, decode, accuracy
    batch: int = 1
    length: int = 128  # tokens of each sequence; of a decoder those before the timed ones
    steps: int = 1  # tokens decoded in a pass


MINILM = Model("minilm", "bert")
DEIT = Model("deit", "vit")
BERT_BASE = Model("bert-base", "bert", "bert-base")
VIT_S = Model("vit-s", "vit", "vit-s")
VIT_B = Model("vit-b", "vit", "vit-b")
OPT = Model("opt-125m", "opt", "opt-125m")
MPNET = Model("mpnet", "bert")
CROSS_ENCODER = Model("cross-encoder", "bert", classifies=True)
MODELS = {model.name: model for model in (MINILM, CROSS_ENCODER, MPNET, DEIT, BERT_BASE, VIT_S, VIT_B, OPT)}


def _rows():
    for batch in (1, 8, 32):
        yield Workload(f"minilm-b{batch}", f"MiniLM-L6, length 128, batch {batch}", MINILM, "tokens", batch)
    yield Workload("minilm-texts", "MiniLM-L6, 256 sentences as they come, batch 32", MINILM, "texts", 32)
    yield Workload("rerank", "MiniLM-L6 cross-encoder, 100 pairs of 128 tokens", CROSS_ENCODER, "tokens", 100)
    for batch in (1, 8):
        yield Workload(f"bert-base-b{batch}", f"BERT-base, length 128, batch {batch}", BERT_BASE, "tokens", batch)
    yield Workload("mpnet-b1", "all-mpnet-base-v2, length 128, batch 1", MPNET, "tokens")
    for batch in (1, 8):
        yield Workload(f"deit-b{batch}", f"DeiT-tiny, batch {batch}", DEIT, "pictures", batch)
    yield Workload("vit-s-b1", "ViT-S/16, batch 1", VIT_S, "pictures")
    for batch in (1, 8):
        yield Workload(f"vit-b-b{batch}", f"ViT-B/16, batch {batch}", VIT_B, "pictures", batch)
    yield Workload("opt-prefill", "OPT-125m, prefill of 512 tokens", OPT, "prefill", length=512)
    yield Workload("opt-decode", "OPT-125m, decode behind 16 tokens, per token", OPT, "decode", length=16, steps=32)


WORKLOADS = {workload.name: workload for workload in _rows()}
# One by one, so that no engine's answer depends on padding or on what else is in its batch.
ACCURACY = {model.name: Workload(f"{model.name}-accuracy", "", model, "accuracy") for model in (MINILM, DEIT)}


def column(tsv, *numbers):
    """Texts of these columns (0, 1, ...) of a .tsv, line by line."""
    lines = pathlib.Path(tsv).read_text(encoding="utf-8").splitlines()
    return [line.split("\t")[number] for line in lines for number in numbers]


def made_up_tokens(batch, length, vocabulary):
    return (np.arange(batch)[:, None] * 7919 + np.arange(length) * 104729 + 1000) % vocabulary


def made_up_pictures(batch):
    p = np.arange(PICTURE_SIZE * PICTURE_SIZE * 3)
    return np.stack([(p * 31 + p // 672 * 17 + i * 101) & 255 for i in range(batch)]).reshape(batch, PICTURE_SIZE, PICTURE_SIZE, 3)


def text_feed(sequences):
    """Token ids padded to the longest of them, and the mask that says so."""
    longest = max(map(len, sequences))
    feed = {name: np.zeros((len(sequences), longest), np.int64) for name in ("input_ids", "attention_mask")}
    for row, ids in enumerate(sequences):
        feed["input_ids"][row, : len(ids)] = ids
        feed["attention_mask"][row, : len(ids)] = 1
    return feed


def picture_feed(pixels, mean, deviation):
    """u8 [pictures, height, width, 3] as the float32 that models take."""
    scaled = (np.asarray(pixels, np.float32) / 255 - np.float32(mean)) / np.float32(deviation)
    return {"pixel_values": np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))}


def batches(items, size):
    return [items[i : i + size] for i in range(0, len(items), size)]


class Data:
    """The user's texts and pictures, and which of them are for what."""

    def __init__(self, texts, test_texts, pictures):
        self.texts, self.test_texts = texts, test_texts
        self.pictures = sorted(p for p in pathlib.Path(pictures).iterdir() if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
        if len(self.pictures) < 2 * CALIBRATION_PICTURES:
            raise SystemExit(f"peers: {pictures} holds {len(self.pictures)} pictures, expected at least {2 * CALIBRATION_PICTURES}")

    def timed_texts(self):
        return column(self.texts, 0)[:256]

    def calibration_texts(self, model):
        texts = sorted(set(column(self.texts, 0, 1)))
        return random.Random(0).sample(texts, CALIBRATION_TEXTS_OF_RANDOM if model.shape else CALIBRATION_TEXTS)

    def accuracy_texts(self):
        return column(self.test_texts, 0)[:TEST_TEXTS]

    def calibration_pictures(self):
        return self.pictures[:: len(self.pictures) // CALIBRATION_PICTURES][:CALIBRATION_PICTURES]

    def accuracy_pictures(self):
        """None that is calibrated on."""
        used = set(self.calibration_pictures())
        others = [picture for picture in self.pictures if picture not in used]
        return others[:: max(1, len(others) // TEST_PICTURES)][:TEST_PICTURES]
