#!/usr/bin/env python3
"""Writes a Hugging Face checkpoint with random weights in the shape of a published one: to time it, not to read what it says.

  benchmarks/random_checkpoint.py SHAPE DIRECTORY [--tokenizer FOLDER]

A text model needs a tokenizer: what FOLDER, another checkpoint, has of one is copied. Needs numpy.
"""
import argparse
import json
import pathlib
import shutil
import struct

import numpy as np

TOKENIZER_FILES = ("vocab.txt", "vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")


def dense(name, columns, inputs):
    yield name + ".weight", (columns, inputs)
    yield name + ".bias", (columns,)


def norm(name, size):
    yield name + ".weight", (size,)
    yield name + ".bias", (size,)


def block(layer, modules, hidden):
    """The products and norms of one layer; modules: their names in the checkpoint."""
    for name in modules["projections"]:
        yield from dense(layer + name, hidden, hidden)
    yield from dense(layer + modules["wider"], 4 * hidden, hidden)
    yield from dense(layer + modules["narrower"], hidden, 4 * hidden)
    for name in modules["norms"]:
        yield from norm(layer + name, hidden)


class Bert:
    vocabulary, positions = 30522, 512
    modules = {"projections": ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"),
               "wider": "intermediate.dense", "narrower": "output.dense",
               "norms": ("attention.output.LayerNorm", "output.LayerNorm")}

    def __init__(self, hidden, layers, heads):
        self.hidden, self.layers, self.heads = hidden, layers, heads

    def config(self):
        return {"model_type": "bert", "architectures": ["BertModel"], "vocab_size": self.vocabulary, "hidden_size": self.hidden,
                "num_hidden_layers": self.layers, "num_attention_heads": self.heads, "intermediate_size": 4 * self.hidden,
                "max_position_embeddings": self.positions, "type_vocab_size": 2, "hidden_act": "gelu", "layer_norm_eps": 1e-12,
                "pad_token_id": 0}

    def tensors(self):
        for name, rows in (("word", self.vocabulary), ("position", self.positions), ("token_type", 2)):
            yield f"embeddings.{name}_embeddings.weight", (rows, self.hidden)
        yield from norm("embeddings.LayerNorm", self.hidden)
        for i in range(self.layers):
            yield from block(f"encoder.layer.{i}.", self.modules, self.hidden)


class Vit:
    modules = {"projections": ("attention.attention.query", "attention.attention.key", "attention.attention.value",
                               "attention.output.dense"),
               "wider": "intermediate.dense", "narrower": "output.dense", "norms": ("layernorm_before", "layernorm_after")}

    def __init__(self, hidden, layers, heads):
        self.hidden, self.layers, self.heads = hidden, layers, heads

    def config(self):
        return {"model_type": "vit", "architectures": ["ViTForImageClassification"], "hidden_size": self.hidden,
                "num_hidden_layers": self.layers, "num_attention_heads": self.heads, "intermediate_size": 4 * self.hidden,
                "hidden_act": "gelu", "layer_norm_eps": 1e-12, "image_size": 224, "patch_size": 16, "num_channels": 3,
                "qkv_bias": True, "id2label": {str(i): f"class {i}" for i in range(1000)}}

    def tensors(self):
        yield "vit.embeddings.cls_token", (1, 1, self.hidden)
        yield "vit.embeddings.position_embeddings", (1, 197, self.hidden)
        yield "vit.embeddings.patch_embeddings.projection.weight", (self.hidden, 3, 16, 16)
        yield "vit.embeddings.patch_embeddings.projection.bias", (self.hidden,)
        for i in range(self.layers):
            yield from block(f"vit.encoder.layer.{i}.", self.modules, self.hidden)
        yield from norm("vit.layernorm", self.hidden)
        yield from dense("classifier", 1000, self.hidden)


class Opt:
    vocabulary, positions = 50272, 2048
    modules = {"projections": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj"),
               "wider": "fc1", "narrower": "fc2", "norms": ("self_attn_layer_norm", "final_layer_norm")}

    def __init__(self, hidden, layers, heads, width=None, norm_before=True):
        self.hidden, self.layers, self.heads = hidden, layers, heads
        self.width, self.norm_before = width or hidden, norm_before

    def config(self):
        return {"model_type": "opt", "architectures": ["OPTForCausalLM"], "vocab_size": self.vocabulary,
                "hidden_size": self.hidden, "word_embed_proj_dim": self.width, "ffn_dim": 4 * self.hidden,
                "num_hidden_layers": self.layers, "num_attention_heads": self.heads, "max_position_embeddings": self.positions,
                "activation_function": "relu", "do_layer_norm_before": self.norm_before, "bos_token_id": 2, "eos_token_id": 2,
                "pad_token_id": 1, "tie_word_embeddings": True, "prefix": "</s>"}

    def tensors(self):
        yield "model.decoder.embed_tokens.weight", (self.vocabulary, self.width)
        yield "model.decoder.embed_positions.weight", (self.positions + 2, self.hidden)
        if self.width != self.hidden:
            yield "model.decoder.project_in.weight", (self.hidden, self.width)
            yield "model.decoder.project_out.weight", (self.width, self.hidden)
        for i in range(self.layers):
            yield from block(f"model.decoder.layers.{i}.", self.modules, self.hidden)
        if self.norm_before:
            yield from norm("model.decoder.final_layer_norm", self.hidden)


SHAPES = {
    "bert-base": Bert(768, 12, 12),
    "vit-s": Vit(384, 12, 6),
    "vit-b": Vit(768, 12, 12),
    "opt-tiny": Opt(64, 2, 4),
    "opt-125m": Opt(768, 12, 12),
    "opt-350m": Opt(1024, 24, 16, width=512, norm_before=False),
    "opt-1.3b": Opt(2048, 24, 32),
}
IMAGE_PROCESSOR = {"image_processor_type": "ViTImageProcessor", "do_resize": True, "do_rescale": True, "do_normalize": True,
                   "size": {"height": 224, "width": 224}, "resample": 2, "rescale_factor": 1 / 255,
                   "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}


def values(name, shape, random):
    if "norm" in name.lower() and name.endswith("weight"):
        return np.ones(shape, np.float16)
    deviation = 0.05 if len(shape) == 1 else np.prod(shape[1:]) ** -0.5
    return (random.standard_normal(shape, np.float32) * np.float32(deviation)).astype(np.float16)


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
    model = SHAPES[options.shape]
    options.directory.mkdir(parents=True, exist_ok=True)
    (options.directory / "config.json").write_text(json.dumps(model.config(), indent=2))
    write_weights(options.directory / "model.safetensors", list(model.tensors()))
    if isinstance(model, Vit):
        (options.directory / "preprocessor_config.json").write_text(json.dumps(IMAGE_PROCESSOR, indent=2))
    for name in TOKENIZER_FILES if options.tokenizer else ():
        if (options.tokenizer / name).exists():
            shutil.copy(options.tokenizer / name, options.directory / name)


if __name__ == "__main__":
    main()
