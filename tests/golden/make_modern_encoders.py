#!/usr/bin/env python3
"""Makes modern_encoders.safetensors: tiny random encoders with rotary positions, windows and gated feed-forward networks.

Usage: tests/golden/make_modern_encoders.py [OUT] (needs torch and transformers)
The file is like text_heads.safetensors; checkpoints are as save_pretrained writes them. Cases that are not of one class's name say
in which setting they differ.
"""
import json
import pathlib
import sys
import tempfile

import torch
import transformers
from safetensors.torch import load_file, save_file

from make_tiny_models import spread

SIZES = dict(vocab_size=40, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
             max_position_embeddings=48, pad_token_id=0)
MODERN = {**SIZES, "num_hidden_layers": 3, "local_attention": 8, "bos_token_id": 1, "eos_token_id": 2, "cls_token_id": 1,
          "sep_token_id": 2}
BIASES = dict(norm_bias=True, attention_bias=True, mlp_bias=True, classifier_bias=True)
CASES = {"ModernBertModel": MODERN, "ModernBertForMaskedLM": MODERN, "ModernBertForSequenceClassification": MODERN,
         "MeanAndBiasesModernBertForSequenceClassification": {**MODERN, **BIASES, "classifier_pooling": "mean"},
         "ModernBertForTokenClassification": MODERN, "ModernBertForQuestionAnswering": MODERN,
         "ModernBertForMultipleChoice": MODERN,
         "NomicBertModel": SIZES, "NomicBertForMaskedLM": SIZES, "NomicBertForSequenceClassification": SIZES,
         "NomicBertForTokenClassification": SIZES,
         "TanhBertModel": {**SIZES, "hidden_act": "tanh"},  # an activation that takes the way of gated units
         "GteModel": SIZES, "GteForMaskedLM": SIZES, "GteForSequenceClassification": SIZES, "GteForTokenClassification": SIZES}
LENGTHS = (5, 40)  # within a window, and beyond two


JINA = dict(model_type="bert", position_embedding_type="alibi", feed_forward_type="geglu", vocab_size=40, hidden_size=24,
            num_hidden_layers=2, num_attention_heads=6, intermediate_size=20, max_position_embeddings=48, type_vocab_size=2,
            layer_norm_eps=1e-12, architectures=["JinaBertModel"])


def jina_weights():
    """Of JinaBERT v2, whose code is not part of transformers: under the names of its checkpoints."""
    generator = torch.Generator().manual_seed(6)
    size, units = JINA["hidden_size"], JINA["intermediate_size"]
    weights = {}

    def add(name, *shape, scale, mean=0.0):
        weights[name] = (torch.randn(shape, generator=generator) * scale + mean).half().float()

    def dense(name, rows, columns, bias=True):
        add(f"{name}.weight", rows, columns, scale=1.5 / columns ** 0.5)
        if bias:
            add(f"{name}.bias", rows, scale=0.2)

    def norm(name):
        add(f"{name}.weight", size, scale=0.2, mean=1.0)
        add(f"{name}.bias", size, scale=0.2)

    add("embeddings.word_embeddings.weight", JINA["vocab_size"], size, scale=0.5)
    add("embeddings.token_type_embeddings.weight", JINA["type_vocab_size"], size, scale=0.5)
    norm("embeddings.LayerNorm")
    for layer in (f"encoder.layer.{i}." for i in range(JINA["num_hidden_layers"])):
        for part in ("query", "key", "value"):
            dense(f"{layer}attention.self.{part}", size, size)
        dense(f"{layer}attention.output.dense", size, size)
        norm(f"{layer}attention.output.LayerNorm")
        dense(f"{layer}mlp.gated_layers", 2 * units, size, bias=False)
        dense(f"{layer}mlp.wo", size, units)
        norm(f"{layer}mlp.layernorm")
    return weights


def jina_forward(weights, ids):
    """Press et al. 2022 for the slopes of six heads: four of a power of two, and every second one of eight."""
    functional, heads = torch.nn.functional, JINA["num_attention_heads"]
    slopes = torch.tensor([2.0 ** -(2 * i) for i in range(1, 5)] + [2.0 ** -1, 2.0 ** -3])
    places = torch.arange(ids.shape[1])
    bias = -slopes[:, None, None] * (places[None] - places[:, None]).abs()

    def dense(name, x):
        return functional.linear(x, weights[f"{name}.weight"], weights.get(f"{name}.bias"))

    def norm(name, x):
        return functional.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"], 1e-12)

    x = weights["embeddings.word_embeddings.weight"][ids[0]] + weights["embeddings.token_type_embeddings.weight"][0]
    x = norm("embeddings.LayerNorm", x)
    for layer in (f"encoder.layer.{i}." for i in range(JINA["num_hidden_layers"])):
        q, k, v = (dense(f"{layer}attention.self.{part}", x).view(len(x), heads, -1).transpose(0, 1)
                   for part in ("query", "key", "value"))
        probabilities = (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5 + bias).softmax(-1)
        context = (probabilities @ v).transpose(0, 1).reshape(x.shape)
        x = norm(f"{layer}attention.output.LayerNorm", dense(f"{layer}attention.output.dense", context) + x)
        gate, up = dense(f"{layer}mlp.gated_layers", x).chunk(2, -1)
        x = norm(f"{layer}mlp.layernorm", dense(f"{layer}mlp.wo", functional.gelu(gate) * up) + x)
    return x[None]


def main():
    out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "modern_encoders.safetensors")
    generator = torch.Generator().manual_seed(4)
    texts = [torch.randint(3, SIZES["vocab_size"], (1, length), generator=generator) for length in LENGTHS]
    tensors = {f"ids/{n}": ids[0].int() for n, ids in enumerate(texts)}
    metadata = {"torch": torch.__version__, "transformers": transformers.__version__}
    for case, sizes in CASES.items():
        name = case.removeprefix("MeanAndBiases").removeprefix("Tanh")
        family = name[:name.index("For")] if "For" in name else name.removesuffix("Model")
        config = getattr(transformers, f"{family}Config")(**sizes, num_labels=2 if "Question" in name else 4)
        config._attn_implementation = "eager"
        rounded, model = (getattr(transformers, name)(config) for _ in range(2))
        model.load_state_dict(spread(rounded).state_dict())  # rounding to fp16 rounds the angles of rotary positions, too
        model.eval()
        with tempfile.TemporaryDirectory() as folder:
            rounded.half().save_pretrained(folder)
            tensors |= {f"{case}/{key}": tensor for key, tensor in load_file(f"{folder}/model.safetensors").items()}
            metadata[case] = pathlib.Path(folder, "config.json").read_text()
        for n, ids in enumerate(texts):
            with torch.no_grad():
                outputs = model(ids[None] if name.endswith("MultipleChoice") else ids)
            for key, value in outputs.items():
                if "logits" in key or key == "last_hidden_state":
                    tensors[f"{case}/output/{n}/{key}"] = value.float()
    weights = jina_weights()
    tensors |= {f"JinaBertModel/{key}": tensor.half() for key, tensor in weights.items()}
    metadata["JinaBertModel"] = json.dumps(JINA)
    for n, ids in enumerate(texts):
        tensors[f"JinaBertModel/output/{n}/last_hidden_state"] = jina_forward(weights, ids)
    save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, out, metadata)


if __name__ == "__main__":
    main()
