#!/usr/bin/env python3
"""Makes sentence_embeddings.safetensors: what sentence-transformers itself says of small directories of its own form.

Usage: tests/golden/make_sentence_embeddings.py OUT.safetensors (needs sentence-transformers, torch, safetensors)
Tensors: "model/NAME" of a tiny random BERT, "CASE/FOLDER/NAME" of a case's modules, "CASE/embeddings" f32 [texts, numbers].
Metadata: "files", a JSON object of the files that all cases have, and "cases", a JSON list of name, files (of this case alone),
texts, prompt_name, truncate_dim and normalize (arguments of encode()).
"""
import json
import os
import sys
import tempfile

import torch
from safetensors.torch import save_file
from sentence_transformers import SentenceTransformer
from transformers import BertConfig, BertModel

OLD, BASE, NEW = "sentence_transformers.models.", "sentence_transformers.base.modules.", "sentence_transformers.sentence_transformer.modules."
WORDS = "[PAD] [UNK] [CLS] [SEP] a cat the river query bank of water in Cat River ##s : ! sat on mat long".split()
TEXTS = ["a cat", "the river of water in the bank", "Cat !", "query : the long river sat on the mat", ""]


def tokenizer(lowercase=True):
    special = lambda name: {"SpecialToken": {"id": name, "type_id": 0}}
    return {"version": "1.0", "truncation": {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0}, "padding": None,
            "added_tokens": [{"id": i, "content": WORDS[i], "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
                              "special": True} for i in range(4)],
            "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": lowercase},
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "post_processor": {"type": "TemplateProcessing", "single": [special("[CLS]"), {"Sequence": {"id": "A", "type_id": 0}}, special("[SEP]")],
                               "pair": [special("[CLS]"), {"Sequence": {"id": "A", "type_id": 0}}, special("[SEP]"),
                                        {"Sequence": {"id": "B", "type_id": 1}}, {"SpecialToken": {"id": "[SEP]", "type_id": 1}}],
                               "special_tokens": {n: {"id": n, "ids": [i], "tokens": [n]} for n, i in (("[CLS]", 2), ("[SEP]", 3))}},
            "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
            "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
                      "vocab": {w: i for i, w in enumerate(WORDS)}}}


def modules(*kinds, new=False):
    """modules.json for a Transformer and these, each in a folder of its number and name."""
    names = {k: OLD + k for k in ("Transformer", "Pooling", "Dense", "Normalize", "LayerNorm", "Dropout")}
    if new:
        names |= {"Transformer": BASE + "transformer.Transformer", "Dense": BASE + "dense.Dense", "Normalize": BASE + "normalize.Normalize",
                  "Pooling": NEW + "pooling.Pooling", "LayerNorm": NEW + "layer_norm.LayerNorm"}
    entries = [{"idx": 0, "name": "0", "path": "", "type": names["Transformer"]}]
    for i, kind in enumerate(kinds, 1):
        entries.append({"idx": i, "name": str(i), "path": f"{i}_{kind}", "type": names[kind]})
    return entries


def pooling(*modes, **more):
    return {"embedding_dimension": 16, "pooling_mode": modes[0] if len(modes) == 1 else list(modes), "include_prompt": True} | more


def flagged(**flags):
    keys = ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken")
    return {"word_embedding_dimension": 16} | {"pooling_mode_" + k: flags.get(k, False) for k in keys}


def dense(inputs, outputs, activation="torch.nn.modules.activation.Tanh", **more):
    return {"in_features": inputs, "out_features": outputs, "bias": True, "activation_function": activation} | more


def random(*shape):
    return torch.randn(*shape) / shape[-1] ** 0.5


def linear(inputs, outputs):
    return {"linear.weight": random(outputs, inputs), "linear.bias": random(1, outputs)[0]}


def cases():
    def case(name, files, tensors=None, **arguments):
        return {"name": name, "files": files, "tensors": tensors or {}, "texts": TEXTS, "prompt_name": None, "truncate_dim": None,
                "normalize": False} | arguments

    for mode in ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"):
        yield case("pooling " + mode, {"modules.json": modules("Pooling", new=True), "1_Pooling/config.json": pooling(mode)})
    yield case("pooling of a list", {"modules.json": modules("Pooling"), "1_Pooling/config.json": pooling("lasttoken", "mean", "max")})
    yield case("pooling of flags", {"modules.json": modules("Pooling"), "1_Pooling/config.json": flagged(mean_tokens=True, cls_token=True, max_tokens=True)})
    yield case("no flag of pooling", {"modules.json": modules("Pooling"), "1_Pooling/config.json": flagged()})
    yield case("normalize", {"modules.json": modules("Pooling", "Normalize"), "1_Pooling/config.json": pooling("mean")})
    for name in ("linear.Identity", "activation.Tanh", "activation.ReLU", "activation.Sigmoid", "activation.GELU", "activation.SiLU"):
        yield case("dense " + name, {"modules.json": modules("Pooling", "Dense", new=True), "1_Pooling/config.json": pooling("mean"),
                                     "2_Dense/config.json": dense(16, 5, "torch.nn.modules." + name)}, {"2_Dense": linear(16, 5)})
    yield case("two dense, layer norm, normalize",
               {"modules.json": modules("Pooling", "Dense", "LayerNorm", "Normalize", "Dense", "Normalize"), "1_Pooling/config.json": pooling("cls", "max"),
                "2_Dense/config.json": dense(32, 8, bias=False), "3_LayerNorm/config.json": {"dimension": 8},
                "5_Dense/config.json": dense(8, 12, "torch.nn.modules.linear.Identity")},
               {"2_Dense": {"linear.weight": random(8, 32)}, "3_LayerNorm": {"norm.weight": random(1, 8)[0], "norm.bias": random(1, 8)[0]},
                "5_Dense": linear(8, 12)})
    yield case("residual of equal width", {"modules.json": modules("Pooling", "Dense"), "1_Pooling/config.json": pooling("mean"),
                                           "2_Dense/config.json": dense(16, 16, use_residual=True)}, {"2_Dense": linear(16, 16)})
    yield case("residual of other width", {"modules.json": modules("Pooling", "Dense"), "1_Pooling/config.json": pooling("mean"),
                                           "2_Dense/config.json": dense(16, 4, use_residual=True, module_input_name="sentence_embedding")},
               {"2_Dense": linear(16, 4) | {"residual.weight": random(4, 16)}})
    prompts = {"prompts": {"query": "query : ", "document": "the long ", "none": ""}, "default_prompt_name": "query", "similarity_fn_name": "dot"}
    plain = {"modules.json": modules("Pooling"), "1_Pooling/config.json": pooling("mean")}
    yield case("default prompt", plain | {"config_sentence_transformers.json": prompts})
    yield case("prompt by name", plain | {"config_sentence_transformers.json": prompts}, prompt_name="document")
    yield case("empty prompt", plain | {"config_sentence_transformers.json": prompts}, prompt_name="none")
    every = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")
    yield case("prompt left out of pooling", {"modules.json": modules("Pooling"), "1_Pooling/config.json": pooling(*every, include_prompt=False),
                                              "config_sentence_transformers.json": prompts})
    yield case("prompt longer than texts may be", {"modules.json": modules("Pooling"), "1_Pooling/config.json": pooling(*every, include_prompt=False),
                                                   "config_sentence_transformers.json": prompts, "sentence_bert_config.json": {"max_seq_length": 4}})
    yield case("max_seq_length", plain | {"sentence_bert_config.json": {"max_seq_length": 5, "do_lower_case": False}})
    yield case("max_seq_length of an older name", plain | {"sentence_roberta_config.json": {"max_seq_length": 4}})
    yield case("model_max_length", plain | {"tokenizer_config.json": {"tokenizer_class": "BertTokenizer", "model_max_length": 6}})
    cased = plain | {"tokenizer.json": tokenizer(lowercase=False), "tokenizer_config.json": {"tokenizer_class": "BertTokenizer", "do_lower_case": False}}
    yield case("do_lower_case", cased | {"sentence_bert_config.json": {"do_lower_case": True}})
    yield case("no do_lower_case", cased | {"sentence_bert_config.json": {"do_lower_case": False}})
    yield case("truncate_dim", plain, truncate_dim=6)
    yield case("truncate_dim of the checkpoint", plain | {"config_sentence_transformers.json": {"truncate_dim": 7}})
    yield case("truncate_dim, then normalised", plain | {"modules.json": modules("Pooling", "Normalize")}, truncate_dim=6, normalize=True)


def write(folder, files):
    for path, content in files.items():
        os.makedirs(os.path.dirname(os.path.join(folder, path)) or folder, exist_ok=True)
        with open(os.path.join(folder, path), "w", encoding="utf-8") as file:
            json.dump(content, file)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    torch.manual_seed(0)
    config = BertConfig(vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
                        max_position_embeddings=20, type_vocab_size=2)
    model = BertModel(config, add_pooling_layer=False).eval()
    for parameter in model.parameters():
        parameter.data = random(*parameter.shape) * 2 if parameter.dim() > 1 else parameter.data + random(1, *parameter.shape)[0]
    weights = {k: v.contiguous() for k, v in model.state_dict().items() if not k.endswith("position_ids")}
    files = {"config.json": {k: v for k, v in config.to_dict().items() if k in (
        "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "max_position_embeddings", "type_vocab_size",
        "layer_norm_eps", "hidden_act")} | {"model_type": "bert"}, "tokenizer.json": tokenizer(),
        "tokenizer_config.json": {"tokenizer_class": "BertTokenizer", "model_max_length": 1000000000000000019884624838656}}
    tensors, listed = {"model/" + k: v for k, v in weights.items()}, []
    for case in cases():
        with tempfile.TemporaryDirectory() as folder:
            write(folder, files | case["files"])
            save_file(weights, folder + "/model.safetensors", {"format": "pt"})
            for module, own in case.pop("tensors").items():
                save_file(own, f"{folder}/{module}/model.safetensors")
                tensors |= {f"{case['name']}/{module}/{k}": v for k, v in own.items()}
            encoder = SentenceTransformer(folder, device="cpu")
            embeddings = encoder.encode(case["texts"], prompt_name=case["prompt_name"], truncate_dim=case["truncate_dim"],
                                        normalize_embeddings=case["normalize"], convert_to_tensor=True)
        tensors[case["name"] + "/embeddings"] = embeddings.contiguous()
        listed.append(case)
        print(case["name"], tuple(embeddings.shape))
    save_file(tensors, sys.argv[1], {"files": json.dumps(files), "cases": json.dumps(listed)})


main()
