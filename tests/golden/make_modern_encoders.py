#!/usr/bin/env python3
"""Makes modern_encoders.safetensors: tiny random encoders with rotary positions, windows, shared keys and values, and gated
feed-forward networks.

Usage: tests/golden/make_modern_encoders.py [OUT] (needs torch and transformers)
The file is like text_heads.safetensors; checkpoints are as save_pretrained writes them. Cases that are not of one class's name say
in which setting they differ.
"""
import json
import pathlib
import re
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
ONE = {**SIZES, "num_hidden_layers": 1}
EURO = {**ONE, "num_attention_heads": 4, "num_key_value_heads": 2, "bos_token_id": 1, "eos_token_id": 2, "mask_token_id": 3}
BIASES = dict(norm_bias=True, attention_bias=True, mlp_bias=True, classifier_bias=True)
CASES = {"ModernBertModel": MODERN, "ModernBertForMaskedLM": MODERN, "ModernBertForSequenceClassification": MODERN,
         "MeanAndBiasesModernBertForSequenceClassification": {**MODERN, **BIASES, "classifier_pooling": "mean"},
         "ModernBertForTokenClassification": MODERN, "ModernBertForQuestionAnswering": MODERN,
         "ModernBertForMultipleChoice": MODERN,
         "NomicBertModel": SIZES, "NomicBertForMaskedLM": SIZES, "NomicBertForSequenceClassification": SIZES,
         "NomicBertForTokenClassification": SIZES,
         "TanhBertModel": {**SIZES, "hidden_act": "tanh"},  # an activation that takes the way of gated units
         "GteModel": SIZES, "GteForMaskedLM": SIZES, "GteForSequenceClassification": SIZES, "GteForTokenClassification": SIZES,
         "EuroBertModel": {**EURO, "num_hidden_layers": 2}, "EuroBertForMaskedLM": {**EURO, "num_key_value_heads": 4},
         "TiedEuroBertForMaskedLM": {**EURO, "tie_word_embeddings": True, "mlp_bias": True, "attention_bias": True},
         "EuroBertForSequenceClassification": EURO,
         "BosEuroBertForSequenceClassification": {**EURO, "num_key_value_heads": 1, "classifier_pooling": "bos"},
         "MeanEuroBertForSequenceClassification": {**EURO, "head_dim": 12, "classifier_pooling": "mean"},
         "EuroBertForTokenClassification": EURO,
         "DynamicEuroBertModel": {**EURO, "rope_parameters": {"rope_type": "dynamic", "factor": 4.0, "rope_theta": 50.0}},
         "LinearNomicBertModel": {**ONE, "rope_parameters": {"rope_type": "linear", "factor": 4.0, "rope_theta": 50.0}},
         "LinearModernBertModel": {**MODERN, "num_hidden_layers": 2, "rope_parameters": {
             "full_attention": {"rope_type": "linear", "factor": 4.0, "rope_theta": 50.0},
             "sliding_attention": {"rope_type": "default", "rope_theta": 20.0}}},
         "NtkGteModel": ONE}
NTK = {"factor": 8.0, "type": "ntk"}
LENGTHS = (5, 40)  # within a window, and beyond two


JINA = dict(model_type="bert", position_embedding_type="alibi", feed_forward_type="geglu", vocab_size=40, hidden_size=24,
            num_hidden_layers=2, num_attention_heads=6, intermediate_size=20, max_position_embeddings=48, type_vocab_size=2,
            layer_norm_eps=1e-12)
JINA_CASES = {"JinaBertModel": 2, "JinaBertForMaskedLM": 1, "JinaBertForSequenceClassification": 1, "JinaBertForTokenClassification": 1,
              "JinaBertForQuestionAnswering": 1}  # layers


def jina_weights(case, layers):
    """Of JinaBERT v2, whose code is not part of transformers: under the names of its checkpoints. Its heads are BERT's."""
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
    for layer in (f"encoder.layer.{i}." for i in range(layers)):
        for part in ("query", "key", "value"):
            dense(f"{layer}attention.self.{part}", size, size)
        dense(f"{layer}attention.output.dense", size, size)
        norm(f"{layer}attention.output.LayerNorm")
        dense(f"{layer}mlp.gated_layers", 2 * units, size, bias=False)
        dense(f"{layer}mlp.wo", size, units)
        norm(f"{layer}mlp.layernorm")
    if case == "JinaBertModel":
        return weights
    weights = {f"bert.{name}": tensor for name, tensor in weights.items()}
    if case.endswith("MaskedLM"):
        dense("cls.predictions.transform.dense", size, size)
        norm("cls.predictions.transform.LayerNorm")
        add("cls.predictions.bias", JINA["vocab_size"], scale=0.2)
    elif case.endswith("SequenceClassification"):
        dense("bert.pooler.dense", size, size)
        dense("classifier", 3, size)
    else:
        dense("qa_outputs" if case.endswith("QuestionAnswering") else "classifier", 2 if case.endswith("QuestionAnswering") else 3, size)
    return weights


def jina_outputs(case, layers, weights, ids):
    """Press et al. 2022 for the slopes of six heads: four of a power of two, and every second one of eight."""
    functional, heads = torch.nn.functional, JINA["num_attention_heads"]
    slopes = torch.tensor([2.0 ** -(2 * i) for i in range(1, 5)] + [2.0 ** -1, 2.0 ** -3])
    places = torch.arange(ids.shape[1])
    bias = -slopes[:, None, None] * (places[None] - places[:, None]).abs()

    weights = {name.removeprefix("bert."): tensor for name, tensor in weights.items()}

    def dense(name, x):
        return functional.linear(x, weights[f"{name}.weight"], weights.get(f"{name}.bias"))

    def norm(name, x):
        return functional.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"], 1e-12)

    x = weights["embeddings.word_embeddings.weight"][ids[0]] + weights["embeddings.token_type_embeddings.weight"][0]
    x = norm("embeddings.LayerNorm", x)
    for layer in (f"encoder.layer.{i}." for i in range(layers)):
        q, k, v = (dense(f"{layer}attention.self.{part}", x).view(len(x), heads, -1).transpose(0, 1)
                   for part in ("query", "key", "value"))
        probabilities = (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5 + bias).softmax(-1)
        context = (probabilities @ v).transpose(0, 1).reshape(x.shape)
        x = norm(f"{layer}attention.output.LayerNorm", dense(f"{layer}attention.output.dense", context) + x)
        gate, up = dense(f"{layer}mlp.gated_layers", x).chunk(2, -1)
        x = norm(f"{layer}mlp.layernorm", dense(f"{layer}mlp.wo", functional.gelu(gate) * up) + x)
    if case == "JinaBertModel":
        return {"last_hidden_state": x[None]}
    if case.endswith("MaskedLM"):
        y = functional.gelu(dense("cls.predictions.transform.dense", x))
        y = norm("cls.predictions.transform.LayerNorm", y)
        return {"logits": y @ weights["embeddings.word_embeddings.weight"].T + weights["cls.predictions.bias"]}
    if case.endswith("SequenceClassification"):
        pooled = dense("pooler.dense", x[:1]).tanh()
        return {"pooler_output": pooled, "logits": dense("classifier", pooled)}
    if case.endswith("TokenClassification"):
        return {"logits": dense("classifier", x)}
    start, end = dense("qa_outputs", x).T
    return {"start_logits": start, "end_logits": end}


def main():
    out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "modern_encoders.safetensors")
    generator = torch.Generator().manual_seed(4)
    texts = [torch.randint(3, SIZES["vocab_size"], (1, length), generator=generator) for length in LENGTHS]
    tensors = {f"ids/{n}": ids[0].int() for n, ids in enumerate(texts)}
    metadata = {"torch": torch.__version__, "transformers": transformers.__version__}
    for case, sizes in CASES.items():
        family, kind = re.search("(ModernBert|NomicBert|EuroBert|Bert|Gte)(Model|For.*)$", case).groups()
        name = family + kind
        config = getattr(transformers, f"{family}Config")(**sizes, num_labels=2 if "Question" in name else 4)
        config._attn_implementation = "eager"
        rounded, model = (getattr(transformers, name)(config) for _ in range(2))
        model.load_state_dict(spread(rounded).state_dict())  # rounding to fp16 rounds the angles of rotary positions, too
        model.eval()
        if case.startswith("Ntk"):  # of the code that GTE was published with, whose angles transformers does not have
            rotary, dim = model.rotary_emb, config.hidden_size // config.num_attention_heads
            base = config.rope_parameters["rope_theta"] * NTK["factor"]
            rotary.inv_freq = 1.0 / base ** (torch.arange(0, dim, 2).float() / dim) / NTK["factor"] ** (2 / dim)
        with tempfile.TemporaryDirectory() as folder:
            rounded.half().save_pretrained(folder)
            tensors |= {f"{case}/{key}": tensor for key, tensor in load_file(f"{folder}/model.safetensors").items()}
            metadata[case] = pathlib.Path(folder, "config.json").read_text()
        if case.startswith("Ntk"):
            metadata[case] = json.dumps({**json.loads(metadata[case]), "rope_scaling": NTK})
        for n, ids in enumerate(texts):
            with torch.no_grad():
                outputs = model(ids[None] if name.endswith("MultipleChoice") else ids)
            for key, value in outputs.items():
                if "logits" in key or key == "last_hidden_state":
                    tensors[f"{case}/output/{n}/{key}"] = value.float()
    for case, layers in JINA_CASES.items():
        weights = jina_weights(case, layers)
        tensors |= {f"{case}/{key}": tensor.half() for key, tensor in weights.items()}
        metadata[case] = json.dumps({**JINA, "num_hidden_layers": layers, "architectures": [case]})
        for n, ids in enumerate(texts):
            tensors |= {f"{case}/output/{n}/{key}": value for key, value in jina_outputs(case, layers, weights, ids).items()}
    save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, out, metadata)


if __name__ == "__main__":
    main()
