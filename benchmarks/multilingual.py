#!/usr/bin/env python3
"""Makes of an English BERT checkpoint one with a multilingual Unigram vocabulary, such as multilingual-e5-small has.

multilingual.py CHECKPOINT TEXTS --tokenizer TOKENIZER_JSON -o OUT [--vocabulary 250000]

TEXTS is a file of lines of many languages to train the vocabulary on. TOKENIZER_JSON is one of an XLM-RoBERTa, whose normalizer and
pre-tokenizer are taken. The row of a piece is the mean of the rows that CHECKPOINT's tokenizer makes of it, so that the model
is a trained one with a table of the right size, though it understands only English. Needs numpy, safetensors, tokenizers.
"""
import argparse
import json
import pathlib
import shutil

import numpy as np
import tokenizers
from safetensors.numpy import load_file, save_file

WORDS = "embeddings.word_embeddings.weight"
SPECIAL = {"<s>": "[CLS]", "<pad>": "[PAD]", "</s>": "[SEP]", "<unk>": "[UNK]", "<mask>": "[MASK]"}


def train(texts, like, size):
    """A Unigram tokenizer of XLM-RoBERTa's form."""
    tokenizer = tokenizers.Tokenizer(tokenizers.models.Unigram())
    example = tokenizers.Tokenizer.from_file(str(like))
    tokenizer.normalizer, tokenizer.pre_tokenizer = example.normalizer, example.pre_tokenizer
    trainer = tokenizers.trainers.UnigramTrainer(vocab_size=size - 1, unk_token="<unk>", special_tokens=list(SPECIAL)[:-1],
                                                 show_progress=False, max_piece_length=16)
    tokenizer.train([str(texts)], trainer)
    tokenizer.add_special_tokens([tokenizers.AddedToken("<mask>", lstrip=True, special=True)])
    tokenizer.decoder = tokenizers.decoders.Metaspace()
    ids = {token: tokenizer.token_to_id(token) for token in SPECIAL}
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B:1 </s>:1", special_tokens=[(token, ids[token]) for token in ("<s>", "</s>")])
    return tokenizer


def rows(tokenizer, english, table):
    """Of each piece the mean of the rows of its English pieces."""
    names = [tokenizer.id_to_token(i) for i in range(tokenizer.get_vocab_size())]
    result = np.empty((len(names), table.shape[1]), table.dtype)
    encodings = english.encode_batch([SPECIAL.get(name, name.replace("\u2581", " ")) for name in names], add_special_tokens=False)
    unknown = english.token_to_id("[UNK]")
    for row, encoding in zip(result, encodings):
        row[:] = table[encoding.ids or [unknown]].astype(np.float32).mean(axis=0)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=pathlib.Path)
    parser.add_argument("texts", type=pathlib.Path)
    parser.add_argument("--tokenizer", type=pathlib.Path, required=True)
    parser.add_argument("-o", "--out", type=pathlib.Path, required=True)
    parser.add_argument("--vocabulary", type=int, default=250000)
    options = parser.parse_args()
    shutil.copytree(options.checkpoint, options.out, dirs_exist_ok=True)
    for file in ("vocab.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (options.out / file).unlink(missing_ok=True)
    english = tokenizers.Tokenizer.from_file(str(options.checkpoint / "tokenizer.json"))
    english.no_truncation()
    english.no_padding()
    tokenizer = train(options.texts, options.tokenizer, options.vocabulary)
    tokenizer.save(str(options.out / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>",
                "cls_token": "<s>", "sep_token": "</s>", "pad_token": "<pad>", "mask_token": "<mask>", "model_max_length": 512}
    (options.out / "tokenizer_config.json").write_text(json.dumps(settings, indent=1) + "\n")
    tensors = load_file(options.checkpoint / "model.safetensors")
    name = next(name for name in tensors if name.endswith(WORDS))
    tensors[name] = rows(tokenizer, english, tensors[name])
    save_file(tensors, options.out / "model.safetensors", {"format": "pt"})
    config = json.loads((options.checkpoint / "config.json").read_text())
    config |= {"vocab_size": len(tensors[name]), "pad_token_id": tokenizer.token_to_id("<pad>")}
    (options.out / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    print(f"{options.out}: {len(tensors[name])} pieces")


if __name__ == "__main__":
    main()
