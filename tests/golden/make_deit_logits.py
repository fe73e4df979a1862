#!/usr/bin/env python3
"""Makes deit_gated_logits.safetensors: logits of the shipped ViT on the shipped pictures, by an implementation of its own.

Usage: tests/golden/make_deit_logits.py MODEL PICTURES OUT.safetensors (needs Pillow and numpy)
Reads pictures as timm does: shorter edge to 248, bicubic, centre of 224. Arithmetic is in double.
Tensors: "NAME.logits" f32 [1000] and "NAME.feature" f32 [192], the class token after the last LayerNorm.
"""
import json
import math
import os
import struct
import sys

import numpy as np
from PIL import Image

HEADS = 3


def read(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        blob = file.read()
    types = {"F16": np.float16, "F32": np.float32}
    result = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        values = np.frombuffer(blob[begin:end], types[entry["dtype"]])
        result[name] = values.reshape(entry["shape"]).astype(np.float64)
    return result


def norm(x, t, name):
    x = x - x.mean(-1, keepdims=True)
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-6) * t[name + ".weight"] + t[name + ".bias"]


def linear(x, t, name):
    return x @ t[name + ".weight"].T + t[name + ".bias"]


def gelu(x):
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def attention(x, t, name):
    q, k, v = np.split(linear(x, t, name + ".qkv"), 3, -1)
    parts = []
    for h in range(HEADS):
        s = slice(64 * h, 64 * h + 64)
        scores = q[:, s] @ k[:, s].T / 8
        p = np.exp(scores - scores.max(-1, keepdims=True))
        p /= p.sum(-1, keepdims=True)
        gate = 1 / (1 + np.exp(-linear(x[:, s], t, f"{name}.alpha.{h}")))
        parts.append(p @ v[:, s] * gate)
    return linear(np.concatenate(parts, -1), t, name + ".proj")


def forward(pixels, t):
    x = (pixels / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    x = x.reshape(14, 16, 14, 16, 3).transpose(0, 2, 4, 1, 3).reshape(196, 768)
    x = x @ t["patch_embed.proj.weight"].reshape(192, 768).T + t["patch_embed.proj.bias"]
    x = np.concatenate([t["cls_token"][0], x]) + t["pos_embed"][0]
    for i in range(12):
        block = f"blocks.{i}."
        x = x + attention(norm(x, t, block + "norm1"), t, block + "attn")
        x = x + linear(gelu(linear(norm(x, t, block + "norm2"), t, block + "mlp.fc1")), t, block + "mlp.fc2")
    feature = norm(x[0], t, "norm")
    return linear(feature, t, "head"), feature


def pixels_of(path):
    image = Image.open(path).convert("RGB")
    width, height = image.size
    short = min(width, height)
    image = image.resize((248 * width // short, 248 * height // short), Image.Resampling.BICUBIC)
    left, top = round((image.width - 224) / 2), round((image.height - 224) / 2)
    return np.asarray(image.crop((left, top, left + 224, top + 224))).astype(np.float64)


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    t = read(sys.argv[1] + "/model.safetensors")
    header, blob = {}, b""
    for name in sorted(os.listdir(sys.argv[2])):
        for part, values in zip(("logits", "feature"), forward(pixels_of(f"{sys.argv[2]}/{name}"), t)):
            data = values.astype("<f4").tobytes()
            offsets = [len(blob), len(blob) + len(data)]
            header[f"{name}.{part}"] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": offsets}
            blob += data
        print(name, np.argsort(-forward(pixels_of(f"{sys.argv[2]}/{name}"), t)[0])[:3])
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(sys.argv[3], "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text + blob)


main()
