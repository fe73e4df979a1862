#!/usr/bin/env python3
"""Writes tokenizers.json: small tokenizers of every kind, and what Hugging Face's tokenizers make of a few texts.
Needs the package tokenizers. Usage: make_tokenizers.py [FILE]"""
import base64
import json
import random
import struct
import sys

from tokenizers import Tokenizer

random.seed(5)


def charsmap(pairs):
    """A SentencePiece table: a Darts double array (offset << 10 | has_leaf << 8 | label), then the replacements."""
    trie, texts = {}, b""
    for old, new in pairs.items():
        node = trie
        for byte in old.encode():
            node = node.setdefault(byte, {})
        node[None] = len(texts)
        texts += new.encode() + b"\0"
    units = {}

    def place(at, node, label):
        offset = 1
        while any((at ^ offset ^ (c or 0)) in units for c in node):
            offset += 1
        units[at] = label | (None in node) << 8 | offset << 10
        for c in node:
            units[at ^ offset ^ (c or 0)] = 0
        for c, child in node.items():
            if c is None:
                units[at ^ offset] = child | 1 << 31
            else:
                place(at ^ offset ^ c, child, c)

    units[0] = 0
    place(0, trie, 0)
    array = [units.get(i, 0) for i in range((max(units) | 255) + 1)]
    return base64.b64encode(struct.pack("<I", 4 * len(array)) + struct.pack("<%dI" % len(array), *array) + texts).decode()


# The shortest beginning of a cluster counts: "A" with a mark loses the mark. Some go, some become more.
PRECOMPILED = {"type": "Precompiled", "precompiled_charsmap": charsmap({
    "\u00a0": " ", "\u3000": " ", "\t": " ", "\n": " ", "\r": " ", "\u2028": " ", "\x01": "", "\u200b": "", "\x7f": "", "\ufb01": "fi",
    "\u2460": "1", "\u00bd": "1\u20442", "\uff21": "A", "\uff76\uff9e": "\u30ac", "\uff76": "\u30ab", "e\u0301": "\u00e9", "\u0e33": "\u0e4d\u0e32",
    "\u337f": "\u682a\u5f0f\u4f1a\u793e", "\u2126": "\u03a9", "``": "\"", "a\u0308\u0301": "x"})}
METASPACE = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True}
FIRST = dict(METASPACE, prepend_scheme="first", split=False)
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
SPLIT = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

PIECES = ["\u2581", "\u2581the", "\u2581a", "t", "h", "e", "he", "th", "a", "n", "an", "ana", "\u2581ban", "na", "b", "\u2581\u2581", "\u00e9", "fi", "f", "i",
          "\u0440", "\u043e", "\u0440\u043e", "\u2581\u043f\u0440\u043e", "\u043f", "\u65e5", "\u672c", "\u65e5\u672c", "\u4f1a\u793e", "\u30ac", "1", "12", "2", "\"",
          "A", "\u0627", "\u0644", "\u0627\u0644", "\u0915", "\u094d", "\u0937\u093f", ".", ",", "\u2581.", "aa", "aaa", "<unk>x", "\u0301", "\ud55c", "\u0e4d\u0e32"]
TEXTS = ["", " ", "the banana", "  the  the", "a\u00a0banana\tthe\nthe", "\ufb01ne \u2460\u00bd", "\uff21\u0301\uff76\uff9e\uff76", "e\u0301 \u00e9 \u212b A\u030a", "\x01\x7fthe \x01an\u200b",
         "the\x01 banana", "\u043f\u0440\u043e\u0440\u043e\u0440\u043e", "\u65e5\u672c \u337f\u3002", "\u0627\u0644\u0644\u0627", "\u0915\u094d\u0937\u093f \u0928\u093f", "\u0e01\u0e33 \u0e33", "\ud55c \u1112\u1161\u11ab",
         "aaaaaaa aaaa", "<s>the</s> <mask>a", "the <mask>  \u3000banana", "<unk>x <unk>", "xyz \U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea", "``an'' can't WE'LL 1234", "\u2581the\u2581 \u2581",
         "\u0301a", "a\u0308\u0301\u0327b", "\u0130stanbul \u1e9e \u03a3\u03c2", "1\u2154\u0663 \u2167", "the, an. -- (a)\r\n\r\n  b", "\u2028\u2581\u0440 \u2126", "\U00010400\ufdfa"]


def added(vocabulary, **tokens):
    names = {"bos": "<s>", "eos": "</s>", "unk": "<unk>", "mask": "<mask>"}
    return [dict({"id": vocabulary.index(names[k]), "content": names[k], "single_word": False, "lstrip": k == "mask", "rstrip": False,
                  "normalized": False, "special": True}, **(v or {})) for k, v in tokens.items()]


def template(first, last, pair_separator):
    a, b = ({"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0 if pair_separator else 1}})
    special = lambda token, kind=0: [{"SpecialToken": {"id": token[0], "type_id": kind}}] if token else []
    return {"type": "TemplateProcessing", "single": special(first) + [a] + special(last),
            "pair": special(first) + [a] + special(last) + (special(last) if pair_separator else []) + [b] + special(last, 0 if pair_separator else 1),
            "special_tokens": {t[0]: {"id": t[0], "ids": [t[1]], "tokens": [t[0]]} for t in (first, last) if t}}


def tokenizer(model, tokens, **sections):
    return dict({"version": "1.0", "truncation": None, "padding": None, "added_tokens": tokens, "normalizer": None, "pre_tokenizer": None,
                 "post_processor": None, "decoder": None, "model": model}, **sections)


def unigram(**sections):
    fallback = sections.pop("byte_fallback", False)
    vocabulary = [["<s>", 0], ["<pad>", 0.0], ["</s>", 0.0], ["<unk>", 0.0]] + [[p, -random.random() * 12] for p in PIECES]
    vocabulary += [["<0x%02X>" % i, -20.5] for i in range(256)] if fallback else []
    vocabulary += [["<mask>", 0.0]]
    model = {"type": "Unigram", "unk_id": 3, "vocab": vocabulary, "byte_fallback": fallback}
    return tokenizer(model, added([p for p, _ in vocabulary], bos=None, eos=None, unk=None, mask=None), **sections)


def sequence(kind, *steps):
    return {"type": "Sequence", kind: list(steps)}


def byte_characters():
    printable = list(range(33, 127)) + list(range(0xa1, 0xad)) + list(range(0xae, 0x100))
    others = iter(range(256, 512))
    return [chr(b) if b in printable else chr(next(others)) for b in range(256)]


def bpe(characters, pairs, byte_tokens=False, **options):
    vocabulary = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"] + (["<0x%02X>" % i for i in range(256)] if byte_tokens else []) + characters
    vocabulary += [a + b for a, b in pairs]
    model = {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
             "fuse_unk": False, "byte_fallback": byte_tokens, "ignore_merges": False,
             "vocab": {t: i for i, t in enumerate(vocabulary)}, "merges": [list(p) for p in pairs]}
    return dict(model, **options), vocabulary


def kinds():
    roberta_pair = template(("<s>", 0), ("</s>", 2), True)
    yield "XLM-R", unigram(normalizer=PRECOMPILED, pre_tokenizer=sequence("pretokenizers", {"type": "WhitespaceSplit"}, METASPACE), post_processor=roberta_pair, decoder=METASPACE)
    yield "XLM-R, converted", unigram(normalizer=sequence("normalizers", PRECOMPILED, {"type": "Strip", "strip_left": False, "strip_right": True}, {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "\u2581"}),
                                      pre_tokenizer=METASPACE, post_processor=roberta_pair, decoder=METASPACE)
    albert = [{"type": "Replace", "pattern": {"String": "``"}, "content": "\""}, {"type": "Replace", "pattern": {"String": "''"}, "content": "\""}, {"type": "NFKD"},
              {"type": "StripAccents"}, {"type": "Lowercase"}, PRECOMPILED, {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}]
    yield "ALBERT", unigram(normalizer=sequence("normalizers", *albert), pre_tokenizer=sequence("pretokenizers", {"type": "WhitespaceSplit"}, METASPACE), post_processor=template(("<s>", 0), ("</s>", 2), False), decoder=METASPACE)
    yield "Metaspace at the beginning alone", unigram(pre_tokenizer=FIRST, decoder=FIRST)
    yield "Unigram with bytes", unigram(byte_fallback=True, pre_tokenizer=METASPACE, decoder=sequence("decoders", {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}))
    pairs = [("t", "h"), ("th", "e"), ("\u0120", "the"), ("a", "n"), ("an", "a"), ("\u0120", "a"), ("\u00d1", "\u0122"), ("'", "l"), ("\u0120", "\u0120"), ("\u0120\u0120", "\u0120\u0120")]
    model, vocabulary = bpe(byte_characters(), pairs)
    tokens = added(vocabulary, bos=None, eos=None, mask=None)
    yield "RoBERTa", tokenizer(model, tokens, pre_tokenizer=BYTE_LEVEL, decoder=BYTE_LEVEL,
                               post_processor={"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0], "trim_offsets": True, "add_prefix_space": False})
    yield "NFC, Split, ByteLevel", tokenizer(dict(model, ignore_merges=True), tokens, normalizer={"type": "NFC"}, decoder=BYTE_LEVEL,
                                             pre_tokenizer=sequence("pretokenizers", {"type": "Split", "pattern": {"Regex": SPLIT}, "behavior": "Isolated", "invert": False}, dict(BYTE_LEVEL, use_regex=False)),
                                             post_processor=sequence("processors", dict(BYTE_LEVEL, add_prefix_space=True), template(("<s>", 0), None, False)))
    characters = sorted(set("theanb\u2581.,\u0440\u043e\u043f\u65e5\u67121"))
    pairs = [("t", "h"), ("th", "e"), ("\u2581", "the"), ("a", "n"), ("an", "a"), ("\u2581", "\u2581"), ("\u0440", "\u043e"), ("b", "ana")]
    model, vocabulary = bpe(characters, pairs, byte_tokens=True, unk_token="<unk>", fuse_unk=True)
    yield "Llama", tokenizer(model, added(vocabulary, bos=None, eos={"normalized": True}), normalizer=sequence("normalizers", {"type": "Prepend", "prepend": "\u2581"}, {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}),
                             decoder=sequence("decoders", {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}))
    marked = ["t</w>", "e</w>", "##h", "##e", "##e</w>", "##n", "##a", "##a</w>"]
    model, vocabulary = bpe(characters + marked, [], unk_token="<unk>", continuing_subword_prefix="##", end_of_word_suffix="</w>")
    model["vocab"]["th"], model["vocab"]["the</w>"] = len(vocabulary), len(vocabulary) + 1
    model["merges"] = [["t", "##h"], ["th", "##e</w>"]]
    yield "BPE with prefix and suffix", tokenizer(model, added(vocabulary, unk=None), pre_tokenizer={"type": "Whitespace"}, decoder={"type": "BPEDecoder", "suffix": "</w>"})
    words = ["<s>", "<pad>", "</s>", "[UNK]", "<mask>"] + ["the", "ban", "##ana", "a", "an", "##n", "##a", "1", "##2", "##3", ",", ".", "'", "-", "(", ")", "\u65e5", "\u672c", "\u043f", "##\u0440", "##\u043e", "ss", "b", "\u00e9", "e"]
    model = {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100, "vocab": {w: i + 2 * (i > 20) for i, w in enumerate(words)}}
    bert = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True}
    yield "MPNet, ids with holes", tokenizer(model, added(words, bos=None, eos=None, mask=None), normalizer=bert, pre_tokenizer={"type": "BertPreTokenizer"}, decoder={"type": "WordPiece", "prefix": "##", "cleanup": True},
                                             post_processor={"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0], "trim_offsets": False, "add_prefix_space": False})
    mixes = [([{"type": "Nmt"}, {"type": "NFD"}], [{"type": "Digits", "individual_digits": False}, {"type": "Punctuation", "behavior": "MergedWithPrevious"}]),
             ([bert, {"type": "NFKC"}], [{"type": "UnicodeScripts"}, {"type": "FixedLength", "length": 3}]),
             ([{"type": "Strip", "strip_left": True, "strip_right": True}], [{"type": "CharDelimiterSplit", "delimiter": "a"}, METASPACE]),
             ([{"type": "Lowercase"}, {"type": "ByteLevel"}], [{"type": "Split", "pattern": {"String": "a"}, "behavior": "MergedWithNext", "invert": False}]),
             ([], [{"type": "Split", "pattern": {"Regex": "\\s+"}, "behavior": "Contiguous", "invert": True}, {"type": "Punctuation", "behavior": "Removed"}, dict(BYTE_LEVEL, add_prefix_space=True)]),
             ([], [{"type": "Digits", "individual_digits": True}, dict(METASPACE, prepend_scheme="never")])]
    for i, (normalizers, splitters) in enumerate(mixes):
        yield "steps %d" % i, unigram(byte_fallback=i % 2 == 1, normalizer=sequence("normalizers", *normalizers), pre_tokenizer=sequence("pretokenizers", *splitters),
                                      decoder={"type": "CTC", "pad_token": "<pad>", "word_delimiter_token": "\u2581", "cleanup": True} if i == 0 else METASPACE)


result = []
for name, file in kinds():
    theirs = Tokenizer.from_str(json.dumps(file))
    cases = []
    for text in TEXTS:
        encoding = theirs.encode(text)
        cases.append({"text": text, "ids": encoding.ids, "offsets": [x for span in encoding.offsets for x in span],
                      "decoded": theirs.decode(encoding.ids)})
    pair = theirs.encode("the banana", "a \u65e5\u672c")
    result.append({"name": name, "tokenizer": file, "cases": cases, "pair": {"ids": pair.ids, "type_ids": pair.type_ids}})
# The base64 of the table once.
text = json.dumps({"charsmap": PRECOMPILED["precompiled_charsmap"], "texts": TEXTS, "tokenizers": result}, separators=(",", ":"))
head = '"precompiled_charsmap":"' + PRECOMPILED["precompiled_charsmap"] + '"'
text = text.replace(head, '"precompiled_charsmap":"CHARSMAP"')
for i, sample in enumerate(TEXTS):
    text = text.replace('{"text":' + json.dumps(sample) + ",", '{"text":%d,' % i)
open(sys.argv[1] if len(sys.argv) > 1 else "tokenizers.json", "w").write(text + "\n")
