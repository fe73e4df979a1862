#!/usr/bin/env python3
"""Makes text_heads.safetensors: a tiny random model of each text encoder's class of transformers, and what it makes of texts.

Usage: tests/golden/make_text_heads.py [OUT] (needs torch and transformers)
The metadata holds the versions and, for each class, its config.json. Tensors in fp16: "CLASS/NAME" is the checkpoint's NAME. Those
in fp32 are outputs of float arithmetic on the stored weights: "CLASS/output/N/NAME" of text N, whose ids, s32, are "ids/N". Models
of choices get the text as their only choice; masked language models have logits of every token.
"""
import json
import pathlib
import sys

import torch
import transformers
from safetensors.torch import save_file

from make_tiny_models import spread

HEADS = ("MaskedLM", "SequenceClassification", "TokenClassification", "QuestionAnswering", "MultipleChoice")
FAMILIES = {"Bert": (*HEADS, "NextSentencePrediction", "PreTraining"), "DistilBert": HEADS, "Roberta": HEADS, "XLMRoberta": HEADS,
            "Camembert": HEADS, "MPNet": HEADS, "Electra": (*HEADS, "PreTraining"), "Albert": (*HEADS, "PreTraining")}
SIZES = dict(vocab_size=40, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=20,
             max_position_embeddings=20)
FACTORISED = {**SIZES, "embedding_size": 12}
SIZES_OF = {"DistilBert": dict(vocab_size=40, dim=16, n_layers=1, n_heads=2, hidden_dim=20, max_position_embeddings=20),
            "Electra": FACTORISED, "Albert": FACTORISED}
LENGTHS = (5, 12)


def main():
    out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "text_heads.safetensors")
    generator = torch.Generator().manual_seed(4)
    texts = [torch.randint(3, SIZES["vocab_size"], (1, length), generator=generator) for length in LENGTHS]
    tensors = {f"ids/{n}": ids[0].int() for n, ids in enumerate(texts)}
    metadata = {"torch": torch.__version__, "transformers": transformers.__version__}
    for family, heads in FAMILIES.items():
        for head in heads:
            name = f"{family}For{head}"
            labels = 4 if head in ("SequenceClassification", "TokenClassification") else 2
            config = getattr(transformers, f"{family}Config")(**SIZES_OF.get(family, SIZES), num_labels=labels)
            config._attn_implementation = "eager"
            model = spread(getattr(transformers, name)(config))
            stored = {key: tensor.half() for key, tensor in model.state_dict().items()}
            for alias in getattr(model, "_tied_weights_keys", None) or {}:
                stored.pop(alias, None)  # as save_pretrained leaves them out
            tensors |= {f"{name}/{key}": tensor for key, tensor in stored.items() if tensor.dtype == torch.float16}
            metadata[name] = json.dumps({**config.to_diff_dict(), "architectures": [name]})
            for n, ids in enumerate(texts):
                given = ids[None] if head == "MultipleChoice" else ids
                with torch.no_grad():
                    outputs = model(given)
                for key, value in outputs.items():
                    if "logits" in key:
                        tensors[f"{name}/output/{n}/{key}"] = value.float()
    save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, out, metadata)


if __name__ == "__main__":
    main()
