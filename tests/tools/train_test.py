#!/usr/bin/env python3
"""Trains a tiny BERT for a few steps with tools/train/attention_variants.py, whose command line it uses: octavo must load
what that saves, and compute what PyTorch does.

Usage: train_test.py OCTAVO; ends with 77 where torch or transformers 5 are missing.
"""
import os
import pathlib
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(__file__).parents[2]
WORDS = "the a cat dog sat ran on in mat house red old . we saw it go home again".split()
os.environ.setdefault("HF_HUB_OFFLINE", "1")
try:
    import numpy as np
    import torch
    import transformers

    if int(transformers.__version__.split(".")[0]) < 5:
        raise ImportError(f"transformers is {transformers.__version__}, expected 5 or later")
except ImportError as missing:
    print(f"SKIPPED: {missing}")
    sys.exit(77)
sys.path.append(str(SOURCE / "tools/train"))
import attention_variants as variants  # noqa: E402


def make_teacher(folder):
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + WORDS) + "\n")
    transformers.BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    config = transformers.BertConfig(vocab_size=5 + len(WORDS), hidden_size=24, num_hidden_layers=2, num_attention_heads=3,
                                     intermediate_size=40, max_position_embeddings=32, initializer_range=0.2)
    transformers.BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    return transformers.BertModel.from_pretrained(folder, add_pooling_layer=False).eval()


def check_begins_as_it_was(folder, teacher):
    ids = torch.arange(5, 17)[None]
    for method in (variants.Method(gate="conditional_per_element", scale=2.0),
                   variants.Method(gate="conditional_per_token", activation="softplus")):
        student = transformers.BertModel.from_pretrained(folder, add_pooling_layer=False).eval()
        with torch.no_grad():
            found, wanted = (model(ids).last_hidden_state for model in (variants.give(student, method), teacher))
        assert (found - wanted).abs().max() < 1e-5, method


def octavo_hidden(octavo, model, text, work):
    out = work / "hidden.npy"
    subprocess.run([octavo, "run", "-m", model, "--output", "last_hidden_state", "-p", text, "-o", out], check=True)
    return np.load(out)


def check_distilled(octavo, folder, work, flags, method):
    out = work / "student"
    data = work / "texts.txt"
    data.write_text("\n".join(" ".join(WORDS[i % 7:i % 7 + 3 + i % 9]) for i in range(40)) + "\n")
    subprocess.run([sys.executable, SOURCE / "tools/train/attention_variants.py", folder, out, "--data", data, "--steps",
                    "5", "--tokens", "64", "--threads", "1"] + flags, check=True)
    model = variants.give(transformers.BertModel.from_pretrained(folder, add_pooling_layer=False), method).eval()
    from safetensors.torch import load_file

    state = load_file(out / "model.safetensors")
    model.load_state_dict(state)
    assert any(name.endswith("sink") and value.abs().max() > 0 for name, value in state.items()), "sinks did not learn"
    text = "the old cat saw a red house . we ran home again"
    ids = transformers.BertTokenizer(str(folder / "vocab.txt"))(text, return_tensors="pt")
    with torch.no_grad():
        wanted = model(**ids).last_hidden_state[0].numpy()
    found = octavo_hidden(octavo, out, text, work)
    difference = np.abs(found - wanted).max()
    assert difference < 1e-4, difference
    subprocess.run([octavo, "calibrate", out, "-d", data, "-o", work / "m.octavo", "--ablations", "off", "-q"], check=True,
                   stdout=subprocess.DEVNULL)
    codes = octavo_hidden(octavo, work / "m.octavo", text, work)
    cosine = (codes * wanted).sum() / np.linalg.norm(codes) / np.linalg.norm(wanted)
    assert cosine > 0.99, cosine


def main():
    with tempfile.TemporaryDirectory() as name:
        work = pathlib.Path(name)
        teacher = make_teacher(work / "teacher")
        check_begins_as_it_was(work / "teacher", teacher)
        method = variants.Method(gamma=-0.02, sink=True, gate="conditional_per_element", scale=2.0)
        flags = ["--gamma", "-0.02", "--sink", "--gate", "conditional_per_element"]
        check_distilled(sys.argv[1], work / "teacher", work, flags, method)


main()
