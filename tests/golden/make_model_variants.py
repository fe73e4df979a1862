#!/usr/bin/env python3
"""Makes tiny models of papers whose code no library has, in plain PyTorch: Compact Transformers for tiny/, and for
model_variants.safetensors looped layers, URPE and a wide layer.

Usage: tests/golden/make_model_variants.py [OUT], by default this folder (needs torch and safetensors)
model_variants.safetensors is like text_heads.safetensors. Computed with fp32 arithmetic on the stored fp16 weights.
"""
import json
import pathlib
import sys

import torch
from safetensors.torch import save_file
from torch.nn import functional

LENGTHS = (5, 40)
CIFAR = dict(mean=[0.4914, 0.4822, 0.4465], std=[0.2470, 0.2435, 0.2616])


class Weights(dict):
    """Random tensors by name."""

    def __init__(self, seed):
        super().__init__()
        self.generator = torch.Generator().manual_seed(seed)

    def add(self, name, *shape, scale, mean=0.0):
        self[name] = (torch.randn(shape, generator=self.generator) * scale + mean).half().float()

    def dense(self, name, rows, columns, bias=True):
        self.add(f"{name}.weight", rows, columns, scale=1.5 / columns ** 0.5)
        if bias:
            self.add(f"{name}.bias", rows, scale=0.2)

    def norm(self, name, size):
        self.add(f"{name}.weight", size, scale=0.2, mean=1.0)
        self.add(f"{name}.bias", size, scale=0.2)

    def linear(self, name, x):
        return functional.linear(x, self[f"{name}.weight"], self.get(f"{name}.bias"))

    def normalised(self, name, x, epsilon):
        return functional.layer_norm(x, x.shape[-1:], self[f"{name}.weight"], self[f"{name}.bias"], epsilon)


def attention(q, k, v, heads, causal=False, factors=None):
    """Of rows [tokens, columns]; factors [heads, 2 * reach + 1] multiply probabilities by the key's distance."""
    places = torch.arange(len(q))
    distance = places[None] - places[:, None]
    q, k, v = (x.view(len(x), heads, -1).transpose(0, 1) for x in (q, k, v))
    scores = q @ k.transpose(1, 2) / q.shape[-1] ** 0.5
    if causal:
        scores = scores.masked_fill(distance > 0, float("-inf"))
    probabilities = scores.softmax(-1)
    if factors is not None:
        reach = factors.shape[1] // 2
        probabilities = probabilities * factors[:, distance.clamp(-reach, reach) + reach]
    return (probabilities @ v).transpose(0, 1).reshape(q.shape[1], -1)


# Compact Transformers (Hassani et al. 2021), as github.com/SHI-Labs/Compact-Transformers names their parameters.


def compact(architecture, seed, kernel, size, convolutions=1, positions=True, heads=3, width=24, planes=8, layers=2):
    convolves, pools = architecture.startswith("cct"), not architecture.startswith("vit")
    stride, padding = (max(1, kernel // 2 - 1), max(1, kernel // 2)) if convolves else (kernel, 0)
    weights, channels = Weights(seed), [3] + [planes] * (convolutions - 1) + [width]
    for i in range(convolutions):
        weights.add(f"tokenizer.conv_layers.{i}.0.weight", channels[i + 1], channels[i], kernel, kernel,
                    scale=1.5 / (channels[i] * kernel * kernel) ** 0.5)
    for i in range(layers):
        block = f"classifier.blocks.{i}."
        weights.norm(block + "pre_norm", width)
        weights.dense(block + "self_attn.qkv", 3 * width, width, bias=False)
        weights.dense(block + "self_attn.proj", width, width)
        weights.norm(block + "norm1", width)
        weights.dense(block + "linear1", 2 * width, width)
        weights.dense(block + "linear2", width, 2 * width)
    weights.norm("classifier.norm", width)
    weights.dense("classifier.fc", 5, width)
    if pools:
        weights.dense("classifier.attention_pool", 1, width)
    else:
        weights.add("classifier.class_emb", 1, 1, width, scale=0.5)

    def tokens(x):
        for i in range(convolutions):
            x = functional.conv2d(x, weights[f"tokenizer.conv_layers.{i}.0.weight"], stride=stride, padding=padding)
            if convolves:
                x = functional.max_pool2d(x.relu(), 3, 2, 1)
        return x.flatten(2).transpose(1, 2)[0]

    rows = len(tokens(torch.zeros(1, 3, size, size))) + (0 if pools else 1)
    if positions:
        weights.add("classifier.positional_emb", 1, rows, width, scale=0.5)

    def run(pixels):
        x = tokens(pixels)
        if not pools:
            x = torch.cat([weights["classifier.class_emb"][0], x])
        if positions:
            x = x + weights["classifier.positional_emb"][0]
        for i in range(layers):
            block = f"classifier.blocks.{i}."
            q, k, v = weights.linear(block + "self_attn.qkv", weights.normalised(block + "pre_norm", x, 1e-5)).chunk(3, -1)
            x = x + weights.linear(block + "self_attn.proj", attention(q, k, v, heads))
            x = weights.normalised(block + "norm1", x, 1e-5)
            x = x + weights.linear(block + "linear2", functional.gelu(weights.linear(block + "linear1", x)))
        x = weights.normalised("classifier.norm", x, 1e-5)
        outputs = {"last_hidden_state": x}
        if pools:
            pooled = (weights.linear("classifier.attention_pool", x).softmax(0).T @ x)[0]
            outputs["pooler_output"] = pooled
        else:
            pooled = x[0]
        return outputs | {"logits": weights.linear("classifier.fc", pooled)}

    config = {"architecture": architecture, "num_classes": 5, "label_names": list("abcde"),
              "model_args": {"num_heads": heads},
              "pretrained_cfg": {"input_size": [3, size, size], "interpolation": "bilinear", "crop_pct": 1.0, **CIFAR}}
    return config, weights, run


COMPACT = {"cct": dict(architecture="cct_2_3x1_16", seed=11, kernel=3, size=16),
           "cct_two": dict(architecture="cct_2_7x2_32", seed=12, kernel=7, size=32, convolutions=2, positions=False),
           "cvt": dict(architecture="cvt_2_4_16", seed=13, kernel=4, size=16),
           "vit_lite": dict(architecture="vit_2_4_16_sine", seed=14, kernel=4, size=16)}


def write_compact(out):
    mean, std = (torch.tensor(CIFAR[key])[:, None, None] for key in ("mean", "std"))
    for name, settings in COMPACT.items():
        config, weights, run = compact(**settings)
        size, outputs = settings["size"], {}
        for n in range(2):
            pixels = torch.randint(0, 256, (size, size, 3), generator=torch.Generator().manual_seed(20 + n))
            outputs[f"{n}.pixels"] = pixels.to(torch.uint8)
            for key, value in run(((pixels.permute(2, 0, 1) / 255 - mean) / std)[None]).items():
                outputs[f"{n}.{key}"] = value
        folder = out / "tiny" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
        save_file({key: tensor.half() for key, tensor in weights.items()}, folder / "model.safetensors", {"format": "pt"})
        save_file({key: tensor.contiguous() for key, tensor in outputs.items()}, folder / "outputs.safetensors",
                  {"torch": torch.__version__})


# BERT and OPT as transformers names their parameters, with what papers have changed.

SIZES = dict(vocab_size=40, hidden_size=24, max_position_embeddings=48)


def bert(seed, layers, order=None, heads=3, head_size=8, reach=None, keys=None):
    """`order`: the stored layers as they run."""
    size, units, width = 24, 40, heads * head_size
    weights = Weights(seed)
    for table, rows in (("word", 40), ("position", 48), ("token_type", 2)):
        weights.add(f"embeddings.{table}_embeddings.weight", rows, size, scale=0.5)
    weights.norm("embeddings.LayerNorm", size)
    for i in range(layers):
        layer = f"encoder.layer.{i}."
        for part in ("query", "key", "value"):
            weights.dense(f"{layer}attention.self.{part}", width, size)
        if reach is not None:
            weights.add(f"{layer}attention.self.urpe", heads, 2 * reach + 1, scale=0.8, mean=0.6)
        weights.dense(f"{layer}attention.output.dense", size, width)
        weights.norm(f"{layer}attention.output.LayerNorm", size)
        weights.dense(f"{layer}intermediate.dense", units, size)
        weights.dense(f"{layer}output.dense", size, units)
        weights.norm(f"{layer}output.LayerNorm", size)

    def run(ids):
        x = weights["embeddings.word_embeddings.weight"][ids] + weights["embeddings.position_embeddings.weight"][:len(ids)]
        x = weights.normalised("embeddings.LayerNorm", x + weights["embeddings.token_type_embeddings.weight"][0], 1e-12)
        for i in order or range(layers):
            layer = f"encoder.layer.{i}."
            q, k, v = (weights.linear(f"{layer}attention.self.{part}", x) for part in ("query", "key", "value"))
            context = attention(q, k, v, heads, factors=weights.get(f"{layer}attention.self.urpe"))
            x = weights.normalised(f"{layer}attention.output.LayerNorm",
                                   weights.linear(f"{layer}attention.output.dense", context) + x, 1e-12)
            y = weights.linear(f"{layer}output.dense", functional.gelu(weights.linear(f"{layer}intermediate.dense", x)))
            x = weights.normalised(f"{layer}output.LayerNorm", y + x, 1e-12)
        return {"last_hidden_state": x}

    config = dict(SIZES, model_type="bert", num_hidden_layers=layers, num_attention_heads=heads, intermediate_size=units,
                  type_vocab_size=2, layer_norm_eps=1e-12, hidden_act="gelu", architectures=["BertModel"])
    return config | (keys or {}), weights, run


def opt(seed, layers, order=None, heads=3, head_size=8, reach=None, keys=None):
    size, units, width = 24, 40, heads * head_size
    weights = Weights(seed)
    weights.add("decoder.embed_tokens.weight", 40, size, scale=0.5)
    weights.add("decoder.embed_positions.weight", 50, size, scale=0.5)
    for i in range(layers):
        layer = f"decoder.layers.{i}."
        for part in ("q_proj", "k_proj", "v_proj"):
            weights.dense(f"{layer}self_attn.{part}", width, size)
        weights.dense(f"{layer}self_attn.out_proj", size, width)
        if reach is not None:
            weights.add(f"{layer}self_attn.urpe", heads, 2 * reach + 1, scale=0.8, mean=0.6)
        weights.norm(f"{layer}self_attn_layer_norm", size)
        weights.dense(f"{layer}fc1", units, size)
        weights.dense(f"{layer}fc2", size, units)
        weights.norm(f"{layer}final_layer_norm", size)
    weights.norm("decoder.final_layer_norm", size)

    def run(ids):
        x = weights["decoder.embed_tokens.weight"][ids] + weights["decoder.embed_positions.weight"][2:2 + len(ids)]
        for i in order or range(layers):
            layer = f"decoder.layers.{i}."
            y = weights.normalised(f"{layer}self_attn_layer_norm", x, 1e-5)
            q, k, v = (weights.linear(f"{layer}self_attn.{part}", y) for part in ("q_proj", "k_proj", "v_proj"))
            context = attention(q, k, v, heads, causal=True, factors=weights.get(f"{layer}self_attn.urpe"))
            x = x + weights.linear(f"{layer}self_attn.out_proj", context)
            y = weights.linear(f"{layer}fc1", weights.normalised(f"{layer}final_layer_norm", x, 1e-5)).relu()
            x = x + weights.linear(f"{layer}fc2", y)
        x = weights.normalised("decoder.final_layer_norm", x, 1e-5)
        return {"last_hidden_state": x, "logits": x @ weights["decoder.embed_tokens.weight"].T}

    config = dict(SIZES, model_type="opt", num_hidden_layers=layers, num_attention_heads=heads, ffn_dim=units,
                  word_embed_proj_dim=size, architectures=["OPTForCausalLM"], bos_token_id=2, eos_token_id=2)
    return config | (keys or {}), weights, run


URPE = {"attention_method": {"urpe": True}}
TEXTS = {"LoopedBert": lambda: bert(31, 2, order=[0, 1] * 3, keys={"layer_loop": {"times": 3}}),
         # AlgoFormer's form: a layer before the loop and one behind it.
         "LoopedOpt": lambda: opt(32, 4, order=[0, 1, 2, 1, 2, 3],
                                  keys={"layer_loop": {"first": 1, "layers": 2, "times": 2}}),
         "UrpeBert": lambda: bert(33, 2, reach=47, keys=URPE),
         "UrpeOpt": lambda: opt(34, 2, reach=9, keys=URPE),  # the factors at the ends count for what is farther away
         "WideBert": lambda: bert(35, 1, heads=12, head_size=16),  # Brown et al. 2022: one layer, 192 columns of 24
         "WideOpt": lambda: opt(36, 1, heads=9, head_size=4)}


def write_texts(out):
    generator = torch.Generator().manual_seed(4)
    texts = [torch.randint(3, 40, (length,), generator=generator) for length in LENGTHS]
    tensors = {f"ids/{n}": ids.int() for n, ids in enumerate(texts)}
    metadata = {"torch": torch.__version__}
    for case, make in TEXTS.items():
        config, weights, run = make()
        metadata[case] = json.dumps(config)
        tensors |= {f"{case}/{key}": tensor.half() for key, tensor in weights.items()}
        for n, ids in enumerate(texts):
            tensors |= {f"{case}/output/{n}/{key}": value for key, value in run(ids).items()}
    save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, out / "model_variants.safetensors", metadata)


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent
    write_compact(folder)
    write_texts(folder)
