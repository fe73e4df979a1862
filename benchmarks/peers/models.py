"""Checkpoints as PyTorch modules with plain inputs and one answer, and their export to ONNX.

Each answers what `octavo bench` answers: last hidden states, logits of pictures, logits behind a decoder's last token.
"""
import json
import pathlib
import warnings

import numpy as np
import torch
import transformers
from safetensors.torch import load_file
from torch.nn import functional

transformers.logging.set_verbosity_error()
warnings.filterwarnings("ignore")


class TextEncoder(torch.nn.Module):
    def __init__(self, directory, attention):
        super().__init__()
        self.model = transformers.AutoModel.from_pretrained(
            directory, add_pooling_layer=False, dtype=torch.float32, attn_implementation=attention)

    def forward(self, input_ids, attention_mask):
        return self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state


class TextClassifier(torch.nn.Module):
    def __init__(self, directory, attention):
        super().__init__()
        self.model = transformers.BertForSequenceClassification.from_pretrained(
            directory, dtype=torch.float32, attn_implementation=attention)

    def forward(self, input_ids, attention_mask):
        return self.model(input_ids=input_ids, attention_mask=attention_mask).logits


class PictureClassifier(torch.nn.Module):
    def __init__(self, directory, attention):
        super().__init__()
        config = json.loads((pathlib.Path(directory) / "config.json").read_text())
        if "architecture" in config:
            self.model = timm_vit(directory, config, attention)
        else:
            self.model = transformers.ViTForImageClassification.from_pretrained(
                directory, dtype=torch.float32, attn_implementation=attention)

    def forward(self, pixel_values):
        return self.model(pixel_values=pixel_values).logits


def timm_vit(directory, config, attention):
    """A timm checkpoint under the names of transformers, which has one module for each of its three projections."""
    weights = load_file(pathlib.Path(directory) / "model.safetensors")
    hidden = config["num_features"]
    layers = 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("blocks."))
    names = {"cls_token": "vit.embeddings.cls_token", "pos_embed": "vit.embeddings.position_embeddings",
             "patch_embed.proj": "vit.embeddings.patch_embeddings.projection", "norm": "vit.layernorm", "head": "classifier"}
    for i in range(layers):
        for old, new in (("norm1", "layernorm_before"), ("norm2", "layernorm_after"), ("attn.proj", "attention.o_proj"),
                         ("mlp.fc1", "mlp.fc1"), ("mlp.fc2", "mlp.fc2")):
            names[f"blocks.{i}.{old}"] = f"vit.layers.{i}.{new}"
    renamed = {}
    for name, tensor in weights.items():
        module, _, kind = name.rpartition(".")
        if module.endswith("attn.qkv"):
            layer = f"vit.layers.{module.split('.')[1]}.attention"
            for part, values in zip("qkv", tensor.split(hidden)):
                renamed[f"{layer}.{part}_proj.{kind}"] = values
        else:
            renamed[names[name] if name in names else f"{names[module]}.{kind}"] = tensor
    model = transformers.ViTForImageClassification(transformers.ViTConfig(
        hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=hidden // 64, intermediate_size=4 * hidden,
        layer_norm_eps=1e-6, num_labels=config["num_classes"], attn_implementation=attention))
    model.load_state_dict({name: tensor.float() for name, tensor in renamed.items()})
    return model


class Decoder(torch.nn.Module):
    """OPT with its keys and values as plain tensors, since only such ones are inputs and outputs of an exported graph.

    Without a past it is the pass over a prompt; with one it takes a single token, which sees all there is, and answers
    the longer keys and values too.
    """

    def __init__(self, directory, attention):
        super().__init__()
        self.model = transformers.OPTForCausalLM.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager")
        self.fused = attention == "sdpa"

    def attend(self, attention, x, past):
        def heads(values):
            return values.unflatten(2, (attention.num_heads, attention.head_dim)).transpose(1, 2)

        query, key, value = (heads(project(x)) for project in (attention.q_proj, attention.k_proj, attention.v_proj))
        if past:
            key, value = torch.cat([past[0], key], 2), torch.cat([past[1], value], 2)
        if self.fused:
            context = functional.scaled_dot_product_attention(query, key, value, is_causal=not past)
        else:
            scores = query * attention.head_dim**-0.5 @ key.transpose(2, 3)
            if not past:
                later = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)
                scores = scores.masked_fill(later, torch.finfo(torch.float32).min)
            context = scores.softmax(3) @ value
        return attention.out_proj(context.transpose(1, 2).flatten(2)), key, value

    def forward(self, input_ids, *past):
        decoder = self.model.model.decoder
        first = past[0].shape[2] if past else 0
        positions = torch.arange(input_ids.shape[1]) + first + 2
        x = decoder.embed_tokens(input_ids) + functional.embedding(positions, decoder.embed_positions.weight)
        present = []
        for i, layer in enumerate(decoder.layers):
            y, *keys_values = self.attend(layer.self_attn, layer.self_attn_layer_norm(x), past[2 * i : 2 * i + 2])
            x = x + y
            x = x + layer.fc2(functional.relu(layer.fc1(layer.final_layer_norm(x))))
            present += keys_values
        logits = self.model.lm_head(decoder.final_layer_norm(x[:, -1:]))
        return (logits, *present) if past else logits


CLASSES = {"bert": TextEncoder, "vit": PictureClassifier, "opt": Decoder}


def load(model, directory, attention="sdpa"):
    kind = TextClassifier if model.classifies else CLASSES[model.family]
    return kind(directory, attention).eval().requires_grad_(False)


def past_names(layers):
    return [f"{part}.{i}" for i in range(layers) for part in ("key", "value")]


def example_past(config, length, batch=1):
    """Keys and values of `length` made-up tokens: which ones does not matter for the time."""
    random = np.random.default_rng(0)
    heads = config["num_attention_heads"]
    shape = (batch, heads, length, config["hidden_size"] // heads)
    return [random.standard_normal(shape, np.float32) for _ in range(2 * config["num_hidden_layers"])]


def example_of(model, directory, decode=False):
    """Inputs by name that show the exporter their types, and which of their axes vary."""
    if model.family == "vit":
        return {"pixel_values": np.zeros((2, 3, 224, 224), np.float32)}, {"pixel_values": {0: "batch"}}
    ids = np.full((2, 24), 5, np.int64)
    tokens = {0: "batch", 1: "sequence"}
    if model.family == "bert":
        return {"input_ids": ids, "attention_mask": np.ones_like(ids)}, {"input_ids": tokens, "attention_mask": tokens}
    if not decode:
        return {"input_ids": ids}, {"input_ids": tokens}
    config = json.loads((pathlib.Path(directory) / "config.json").read_text())
    names = past_names(config["num_hidden_layers"])
    feed = {"input_ids": ids[:, :1], **dict(zip(names, example_past(config, 16, 2)))}
    return feed, {"input_ids": {0: "batch"}, **{name: {0: "batch", 2: "past"} for name in names}}


def export(model, directory, file, decode=False):
    """Plain attention: exporters and quantizers know its products and softmax, whatever they make of a fused one."""
    feed, axes = example_of(model, directory, decode)
    dimensions = {name: torch.export.Dim(name) for name in ("batch", "sequence", "past")}
    shapes = [{axis: dimensions[name] for axis, name in axes[key].items()} for key in feed]
    if decode:
        shapes = [shapes[0], tuple(shapes[1:])]  # forward() takes the past as *past
    names = [name for name in feed if name != "input_ids"] if decode else []
    torch.onnx.export(
        load(model, directory, "eager"), tuple(map(torch.from_numpy, feed.values())), file, input_names=list(feed),
        output_names=["answer", *(f"present.{name}" for name in names)], dynamo=True, dynamic_shapes=tuple(shapes),
        external_data=False, verbose=False)
