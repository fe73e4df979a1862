#!/usr/bin/env python3
"""Makes modern_encoders.safetensors: tiny random encoders with rotary positions, windows and gated feed-forward networks.

Usage: tests/golden/make_modern_encoders.py [OUT] (needs torch and transformers)
The file is like text_heads.safetensors; checkpoints are as save_pretrained writes them. Cases that are not of one class's name say
in which setting they differ.
"""
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
    save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, out, metadata)


if __name__ == "__main__":
    main()
