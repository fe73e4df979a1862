#!/usr/bin/env python3
"""Makes text_tasks.safetensors: what transformers' pipelines and sentence-transformers' cross-encoders say of tiny random BERTs.

Usage: tests/golden/make_text_tasks.py OUT.safetensors
Needs transformers 4 (version 5 has no question answering), sentence-transformers 5, torch, safetensors.
Tensors: "CASE/NAME" of the checkpoint of a case. Metadata: "files", a JSON object of the files that all checkpoints have, and
"cases", a JSON list of name, task, config (config.json), inputs, arguments of the pipeline, and answers.
"""
import json
import os
import sys
import tempfile

import sentence_transformers
import torch
import transformers
from safetensors.torch import save_file

WORDS = ("[PAD] [UNK] [CLS] [SEP] [MASK] a the river bank of in new york maria berlin lives works for and is was not "
         "who where what when cat sat on mat long water ##s ##er ##lin . , ! ? - ' mon ##tre ##al ber 1 9 ##8").split()
TEXTS = ["Maria lives in Berlin.", "the cat sat on the long mat, the Cats of New York!", "Montréal is not xyzzy - 198", "a", "",
         "who was in the river bank ? where is   the water"]
LONG = " ".join(["Maria works for the bank of New York and lives in Berlin, not Montreal.", "the cat sat on the mat in 1998.",
                 "where is the river water? a long river is in Montréal - who was the cat?"] * 3)
PAIRS = [("a cat", "the cat sat on the mat"), ("where is the bank ?", "in new york."), (LONG, "a"), ("a", LONG), (LONG, LONG + " a")]
QUESTIONS = [("who lives in Berlin ?", "Maria lives in Berlin. a cat sat on the mat"), ("where is it?", LONG), ("what ?", "Montréal, xyzzys"),
             ("where was Maria ?", "a")]
SIZES = dict(vocab_size=len(WORDS), hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=40,
             max_position_embeddings=48)


def files():
    special = lambda name: {"SpecialToken": {"id": name, "type_id": 0}}
    second = lambda name: {"SpecialToken": {"id": name, "type_id": 1}}
    sequence = lambda name, kind: {"Sequence": {"id": name, "type_id": kind}}
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": i, "content": WORDS[i], "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
                          "special": True} for i in range(5)],
        "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "TemplateProcessing", "single": [special("[CLS]"), sequence("A", 0), special("[SEP]")],
                           "pair": [special("[CLS]"), sequence("A", 0), special("[SEP]"), sequence("B", 1), second("[SEP]")],
                           "special_tokens": {name: {"id": name, "ids": [WORDS.index(name)], "tokens": [name]} for name in ("[CLS]", "[SEP]")}},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
                  "vocab": {word: i for i, word in enumerate(WORDS)}}}
    config = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 48, "unk_token": "[UNK]",
              "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]", "mask_token": "[MASK]"}
    return {"tokenizer.json": json.dumps(tokenizer), "tokenizer_config.json": json.dumps(config)}


def spread(model, seed):
    """Random numbers large enough that answers differ; heads so large that few scores are close to each other."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            is_norm = "norm" in name.lower()
            scale = 0.2 if parameter.dim() == 1 else 0.7 if "embed" in name else 1.5 / parameter[0].numel() ** 0.5
            if name.startswith(("classifier.weight", "qa_outputs.weight")):
                scale *= 2
            parameter.copy_(noise * scale + (1.0 if is_norm and name.endswith("weight") else 0.0))
    return model.half().float().eval()  # fp32 arithmetic on the stored numbers


BIO = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
SEQUENCE, TOKEN = "BertForSequenceClassification", "BertForTokenClassification"
# name, class, what config.json has beside sizes, and (pipeline, inputs, arguments) of each question asked
CASES = [
    ("three_labels", SEQUENCE, dict(labels=["bad", "so so", "good"]),
     [("text-classification", TEXTS + PAIRS, {"top_k": 1, "truncation": True}), ("text-classification", TEXTS, {"top_k": 2})]),
    ("single_label", SEQUENCE, dict(labels=["bad", "good"], problem_type="single_label_classification"),
     [("text-classification", TEXTS, {"top_k": None})]),
    ("multi_label", SEQUENCE, dict(labels=["a", "b", "c"], problem_type="multi_label_classification"),
     [("text-classification", TEXTS, {"top_k": None})]),
    ("regression", SEQUENCE, dict(labels=["LABEL_0"], problem_type="regression"), [("text-classification", TEXTS, {"top_k": None})]),
    ("one_label", SEQUENCE, dict(labels=["LABEL_0"]), [("text-classification", PAIRS, {"top_k": None, "truncation": True}),
                                                     ("rank", TEXTS[:4], {"query": "where is the cat"})]),
    ("identity", SEQUENCE, dict(labels=["LABEL_0"], sbert_ce_default_activation_function="torch.nn.modules.linear.Identity"),
     [("rank", TEXTS[:4] + [LONG], {"query": "who lives in Berlin ?", "top_k": 3})]),
    ("sigmoid", SEQUENCE, dict(labels=["LABEL_0"], sentence_transformers={"activation_fn": "torch.nn.modules.activation.Sigmoid"}),
     [("rank", TEXTS[:4], {"query": "the cat"})]),
    ("entailment", SEQUENCE, dict(labels=["contradiction", "neutral", "entailment"]),
     [("zero-shot-classification", TEXTS[:3], {"candidate_labels": ["water", "the bank", "cat"]}),
      ("zero-shot-classification", TEXTS[:3], {"candidate_labels": ["water", "cat"], "multi_label": True, "hypothesis_template": "the {} is long."}),
      ("zero-shot-classification", TEXTS[:3] + [LONG], {"candidate_labels": ["water"]})]),
    ("entities", TOKEN, dict(labels=BIO),
     [("token-classification", TEXTS, {"aggregation_strategy": strategy}) for strategy in ("none", "simple", "first", "average", "max")]
     + [("token-classification", [LONG], {"aggregation_strategy": strategy, "stride": 23}) for strategy in ("simple", "first", "average", "max")]),
    ("plain_entities", TOKEN, dict(labels=["O", "PER", "LOC"]), [("token-classification", TEXTS, {"aggregation_strategy": "simple"})]),
    ("questions", "BertForQuestionAnswering", dict(),
     [("question-answering", QUESTIONS, dict(extra, doc_stride=24)) for extra in
      ({}, {"top_k": 3}, {"handle_impossible_answer": True}, {"max_answer_len": 3, "top_k": 2}, {"align_to_words": False})]),
    ("masks", "BertForMaskedLM", dict(),
     [("fill-mask", ["Maria lives in [MASK].", "the [MASK] sat on the [MASK]"], {}), ("fill-mask", ["a [MASK] river"], {"top_k": 2}),
      ("fill-mask", ["a [MASK] river", "[MASK]"], {"targets": ["cat", "mat", "Montreal", "cat"]})]),
]


def plain(answer):
    """As JSON has it, without what octavo does not give."""
    if isinstance(answer, list):
        return [plain(each) for each in answer]
    return {key: float(value) if key == "score" else value for key, value in answer.items()
            if key not in ("sequence", "word", "index", "token_str")}


def ask(folder, task, inputs, arguments):
    if task == "rank":
        return sentence_transformers.CrossEncoder(folder, device="cpu").rank(arguments["query"], inputs, top_k=arguments.get("top_k"))
    pipeline = transformers.pipeline(task, folder, device="cpu")
    answers = []
    for each in inputs:
        if task == "question-answering":
            answer = pipeline(question=each[0], context=each[1], **arguments)
            answer = plain(answer if isinstance(answer, list) else [answer])
            answer = [each for each in answer if each["score"] > 0]  # a short context is filled up with what cannot be
        elif task == "zero-shot-classification":
            answer = pipeline(each, **arguments)
            answer = {"labels": answer["labels"], "scores": answer["scores"]}
        elif task == "text-classification" and isinstance(each, tuple):
            answer = plain(pipeline({"text": each[0], "text_pair": each[1]}, **arguments))
        else:
            answer = plain(pipeline(each, **arguments))
        answers.append(answer)
    return answers


def main():
    tensors, cases = {}, []
    for seed, (name, architecture, extra, questions) in enumerate(CASES):
        labels = extra.pop("labels", None)
        config = transformers.BertConfig(**SIZES, **extra, **({"id2label": dict(enumerate(labels)), "label2id": {l: i for i, l in enumerate(labels)}}
                                                              if labels else {}))
        with tempfile.TemporaryDirectory() as folder:
            spread(getattr(transformers, architecture)(config), seed).half().save_pretrained(folder)
            for file, text in files().items():
                open(os.path.join(folder, file), "w").write(text)
            stored = json.load(open(os.path.join(folder, "config.json")))
            stored["dtype"] = stored["torch_dtype"] = "float32"
            json.dump(stored, open(os.path.join(folder, "config.json"), "w"))
            from safetensors.torch import load_file
            tensors |= {f"{name}/{key}": value for key, value in load_file(os.path.join(folder, "model.safetensors")).items()}
            case = {"name": name, "config": stored, "questions": []}
            for task, inputs, arguments in questions:
                with torch.no_grad():
                    answers = ask(folder, task, inputs, arguments)
                case["questions"].append({"task": task, "inputs": inputs, "arguments": arguments, "answers": answers})
            cases.append(case)
    metadata = {"files": json.dumps(files()), "cases": json.dumps(cases, default=float), "torch": torch.__version__,
                "transformers": transformers.__version__, "sentence_transformers": sentence_transformers.__version__}
    save_file(tensors, sys.argv[1], metadata)


if __name__ == "__main__":
    main()
