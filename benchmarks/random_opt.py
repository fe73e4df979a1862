#!/usr/bin/env python3
"""Writes an OPT checkpoint with random weights in the shape of a published one: to time decoding, not to read what it says.

  benchmarks/random_opt.py 125m DIRECTORY [--tokenizer FOLDER]

FOLDER holds vocab.json and merges.txt, which are copied. Needs numpy.
"""
import argparse
import json
import pathlib
import shutil
import struct

import numpy as np

SHAPES = {  # hidden size, layers, heads, columns of the embeddings, LayerNorm before
    "tiny": (64, 2, 4, 64, True),
    "125m": (768, 12, 12, 768, True),
    "350m": (1024, 24, 16, 512, False),
    "1.3b": (2048, 24, 32, 2048, True),
}
VOCABULARY, POSITIONS = 50272, 2048


def tensor_shapes(hidden, layers, width, norm_before):
    decoder = "model.decoder."
    yield decoder + "embed_tokens.weight", (VOCABULARY, width)
    yield decoder + "embed_positions.weight", (POSITIONS + 2, hidden)
    if width != hidden:
        yield decoder + "project_in.weight", (hidden, width)
        yield decoder + "project_out.weight", (width, hidden)
    norms = [decoder + "final_layer_norm"] if norm_before else []
    for i in range(layers):
        layer = f"{decoder}layers.{i}."
        norms += [layer + "self_attn_layer_norm", layer + "final_layer_norm"]
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            yield layer + f"self_attn.{name}.weight", (hidden, hidden)
            yield layer + f"self_attn.{name}.bias", (hidden,)
        for name, columns, inputs in (("fc1", 4 * hidden, hidden), ("fc2", hidden, 4 * hidden)):
            yield layer + f"{name}.weight", (columns, inputs)
            yield layer + f"{name}.bias", (columns,)
    for name in norms:
        yield name + ".weight", (hidden,)
        yield name + ".bias", (hidden,)


def values(name, shape, random):
    if "norm" in name and name.endswith("weight"):
        return np.ones(shape, np.float16)
    deviation = 0.05 if len(shape) == 1 else shape[1] ** -0.5
    return (random.standard_normal(shape, np.float32) * deviation).astype(np.float16)


def write_weights(file, shapes):
    header, end = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in shapes:
        size = 2 * int(np.prod(shape))
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 64)
    random = np.random.default_rng(0)
    with open(file, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for name, shape in shapes:
            out.write(values(name, shape, random).tobytes())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--tokenizer", type=pathlib.Path)
    options = parser.parse_args()
    hidden, layers, heads, width, norm_before = SHAPES[options.shape]
    options.directory.mkdir(parents=True, exist_ok=True)
    config = {"model_type": "opt", "architectures": ["OPTForCausalLM"], "vocab_size": VOCABULARY, "hidden_size": hidden,
              "word_embed_proj_dim": width, "ffn_dim": 4 * hidden, "num_hidden_layers": layers, "num_attention_heads": heads,
              "max_position_embeddings": POSITIONS, "activation_function": "relu", "do_layer_norm_before": norm_before,
              "bos_token_id": 2, "eos_token_id": 2, "pad_token_id": 1, "tie_word_embeddings": True, "prefix": "</s>"}
    (options.directory / "config.json").write_text(json.dumps(config, indent=2))
    write_weights(options.directory / "model.safetensors", list(tensor_shapes(hidden, layers, width, norm_before)))
    for name in ("vocab.json", "merges.txt"):
        if options.tokenizer:
            shutil.copy(options.tokenizer / name, options.directory / name)


if __name__ == "__main__":
    main()
