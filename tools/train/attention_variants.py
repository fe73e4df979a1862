#!/usr/bin/env python3
"""Gives a Hugging Face BERT, OPT or ViT attention that can do nothing, distils it from the original, and saves what
octavo loads: docs/make-your-model-quantize.md.

Usage: attention_variants.py CHECKPOINT OUT --data FILE [--sink] [--gate conditional_per_element] [OPTION...]
Needs torch and transformers 5 or later. FILE holds a text per line; of a ViT it is a folder of pictures (Pillow).
"""
import argparse
import dataclasses
import json
import math
import pathlib
import random
import shutil

import torch
from torch import nn

GATE_TYPES = ("unconditional_per_head", "conditional_per_token", "conditional_per_element")
ACTIVATIONS = {"sigmoid": torch.sigmoid, "softplus": nn.functional.softplus}
NEW = (".sink", ".alpha", ".alpha.weight", ".alpha.bias")  # what the parameters of a variant are called


@dataclasses.dataclass(frozen=True)
class Method:
    """What config.json calls attention_method; the ordinary attention by default."""

    gamma: float = 0.0
    zeta: float = 1.0
    softmax1: bool = False
    sink: bool = False
    gate: str = "none"
    activation: str = "sigmoid"
    scale: float = 1.0  # of conditional gates

    def __post_init__(self):
        if self.gate != "none" and self.gate not in GATE_TYPES:
            raise ValueError(f"the gate is {self.gate}, expected none, {', '.join(GATE_TYPES)}")
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"the gate's activation is {self.activation}, expected {', '.join(ACTIVATIONS)}")
        if self.softmax1 and self.sink:
            raise ValueError("softmax1 is a sink of 0, which a learned sink replaces: expected one of the two")

    def config(self):
        gate = {"type": self.gate}
        if self.gate != "none":
            kinds = {"conditional_per_token": "all_heads", "conditional_per_element": "dense"}
            gate |= {"kind": kinds[self.gate]} if self.gate in kinds else {}
            gate |= {"activation": self.activation, "scale": self.scale}
        softmax = {"gamma": self.gamma, "zeta": self.zeta, "softmax1": self.softmax1, "sink": self.sink}
        return {"softmax": softmax, "gate": gate}


def probabilities(scores, method, sink=None):
    """Of scaled and masked scores [..., heads, queries, keys]; sink [heads] is the logit of a key without a value."""
    if method.softmax1:
        sink = scores.new_zeros(scores.shape[-3])
    if sink is None:
        p = scores.softmax(-1)
    else:
        column = sink.to(scores.dtype).view(-1, 1, 1).expand(*scores.shape[:-1], 1)
        p = torch.cat([scores, column], -1).softmax(-1)[..., :-1]
    if method.gamma == 0.0 and method.zeta == 1.0:
        return p
    return (p * (method.zeta - method.gamma) + method.gamma).clamp(0.0, 1.0)


def attention(module, query, key, value, attention_mask, scaling=None, dropout=0.0, **_):
    """transformers' attention interface: [batch, heads, tokens, head size] to [batch, tokens, heads, head size]."""
    method = module.octavo_method
    scores = query @ key.transpose(2, 3) * (query.shape[-1] ** -0.5 if scaling is None else scaling)
    if attention_mask is not None:
        scores = scores + attention_mask[..., : key.shape[-2]]
    p = probabilities(scores, method, getattr(module, "sink", None))
    context = (nn.functional.dropout(p, dropout, module.training) @ value).transpose(1, 2)
    if method.gate != "none":
        if method.gate == "unconditional_per_head":
            logits = module.alpha.view(1, 1, -1, 1)
        else:
            logits = module.alpha(module.octavo_input).view(*context.shape[:3], -1)
        context = context * (method.scale * ACTIVATIONS[method.activation](logits))
    return context.contiguous(), p


def attentions(model):
    """Names and modules of the attentions: what has query and key projections of its own."""
    return [(name, module) for name, module in model.named_modules()
            if any(hasattr(module, a) and hasattr(module, b) for a, b in (("query", "key"), ("q_proj", "k_proj")))]


def heads_of(model, module):
    width = getattr(module, "query", None) or module.q_proj
    return model.config.num_attention_heads, width.out_features // model.config.num_attention_heads


def give(model, method):
    """Gives all attentions of a model a method. New gates begin at 1, so that the model begins as it was; a sink begins
    at 0, as softmax-1 has it."""
    import transformers
    from transformers import AttentionInterface
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, eager_mask

    if int(transformers.__version__.split(".")[0]) < 5:
        raise RuntimeError(f"transformers is {transformers.__version__}, expected 5 or later: before, BERT chose its "
                           "attention when it was made")
    AttentionInterface.register("octavo", attention)
    ALL_MASK_ATTENTION_FUNCTIONS.register("octavo", eager_mask)
    for name, module in attentions(model):
        heads, head_size = heads_of(model, module)
        module.octavo_method = method
        if method.sink:
            module.sink = nn.Parameter(torch.zeros(heads))
        begin = {"sigmoid": 0.0 if method.scale == 2.0 else 3.0, "softplus": math.log(math.expm1(1.0 / method.scale))}
        if method.gate == "unconditional_per_head":
            module.alpha = nn.Parameter(torch.full((heads,), begin[method.activation]))
        elif method.gate != "none":
            rows = heads * head_size if method.gate == "conditional_per_element" else heads
            module.alpha = nn.Linear(model.config.hidden_size, rows)
            nn.init.zeros_(module.alpha.weight)
            nn.init.constant_(module.alpha.bias, begin[method.activation])
            module.register_forward_pre_hook(keep_input, with_kwargs=True)
    model.config._attn_implementation = "octavo"
    model.config.attention_method = method.config()
    return model


def keep_input(module, args, kwargs):
    module.octavo_input = args[0] if args else kwargs["hidden_states"]


def ffn_outputs(model):
    """The second products of feed-forward networks, whose outputs are where outliers arise."""
    return [module for name, module in model.named_modules() if name.endswith((".fc2", ".output.dense"))
            and not name.endswith("attention.output.dense")]


class Distillation:
    """The loss between a student and its teacher: last hidden states, means of them, how these compare with each other,
    and what FFN outputs have beyond a limit."""

    def __init__(self, student, teacher, limit=6.0, weight=0.01):
        self.student, self.teacher, self.limit, self.weight = student, teacher.eval(), limit, weight
        self.beyond = []
        for module in ffn_outputs(student):
            module.register_forward_hook(lambda _, __, out: self.beyond.append((out.abs() - limit).clamp(min=0)))

    def loss(self, batch):
        with torch.no_grad():
            wanted = self.teacher(**batch).last_hidden_state
        self.beyond.clear()
        found = self.student(**batch).last_hidden_state
        mask = batch.get("attention_mask", torch.ones(found.shape[:2])).unsqueeze(-1).to(found.dtype)
        error = ((found - wanted) ** 2 * mask).sum() / (mask.sum() * found.shape[-1])
        a, b = (nn.functional.normalize((x * mask).sum(1) / mask.sum(1), dim=-1) for x in (found, wanted))
        outside = sum((each.sum() if each.dim() < 3 else (each * mask).sum()) for each in self.beyond) / mask.sum()
        return error + (1 - (a * b).sum(-1)).mean() + ((a @ a.T - b @ b.T) ** 2).mean() + self.weight * outside


def distil(student, teacher, batches, steps, lr=1e-4, limit=6.0, report=print):
    """Trains the student in place. What the method added learns faster: it begins from nothing. Words stay."""
    words = {id(p) for p in student.get_input_embeddings().parameters()} if "input_ids" in batches.keys else set()
    named = [(name, p) for name, p in student.named_parameters() if id(p) not in words]
    added = [p for name, p in named if name.endswith(NEW)]
    sinks = [p for name, p in named if name.endswith(".sink")]
    groups = [{"params": [p for name, p in named if not name.endswith(NEW)], "lr": lr},
              {"params": [p for p in added if not any(p is s for s in sinks)], "lr": 10 * lr},
              {"params": sinks, "lr": 100 * lr}]
    optimizer = torch.optim.AdamW([g for g in groups if g["params"]], weight_decay=0.0)
    shape = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda i: min(1.0, (i + 1) / max(1, steps // 20)) * max(0.02, 1 - i / steps))
    distillation = Distillation(student.train(), teacher, limit)
    for module in student.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    for step in range(steps):
        optimizer.zero_grad()
        loss = distillation.loss(batches.next())
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for _, p in named], 1.0)
        optimizer.step()
        shape.step()
        if (step + 1) % max(1, steps // 10) == 0:
            report(f"step {step + 1} of {steps}: loss {loss.item():.4f}")
    return student.eval()


class Texts:
    """Batches of at most `tokens` tokens of texts of like length, in an order of its own for each seed."""

    keys = ("input_ids",)

    def __init__(self, tokenizer, texts, tokens=1024, max_length=128, seed=0):
        self.tokens, self.random, self.padding = tokens, random.Random(seed), tokenizer.pad_token_id or 0
        self.ids = tokenizer(texts, truncation=True, max_length=max_length)["input_ids"]
        self.ready = []

    def next(self):
        if not self.ready:
            chosen = sorted(self.random.sample(self.ids, min(len(self.ids), 512)), key=len)
            batch = []
            for ids in chosen + [None]:
                if batch and (ids is None or (len(batch) + 1) * len(ids) > self.tokens):
                    self.ready.append(batch)
                    batch = []
                batch.append(ids)
            self.random.shuffle(self.ready)
        rows = self.ready.pop()
        width = max(map(len, rows))
        ids = torch.tensor([row + [self.padding] * (width - len(row)) for row in rows])
        mask = torch.tensor([[int(i < len(row)) for i in range(width)] for row in rows])
        return {"input_ids": ids, "attention_mask": mask}


class Pictures:
    """Batches of pictures of a folder."""

    keys = ("pixel_values",)

    def __init__(self, processor, folder, batch=8, seed=0):
        self.processor, self.batch, self.random = processor, batch, random.Random(seed)
        self.files = sorted(p for p in pathlib.Path(folder).iterdir() if p.suffix.lower() in (".jpg", ".jpeg", ".png"))

    def next(self):
        from PIL import Image

        chosen = self.random.sample(self.files, min(self.batch, len(self.files)))
        return dict(self.processor([Image.open(p).convert("RGB") for p in chosen], return_tensors="pt"))


def save_model(model, out):
    """save_pretrained(), with the tensors of variants beside those of the query, which transformers may rename."""
    from safetensors import safe_open
    from safetensors.torch import save_file

    out = pathlib.Path(out)
    model.save_pretrained(out)
    for file in sorted(out.glob("*.safetensors")):
        with safe_open(file, "pt") as stored:
            metadata, tensors = stored.metadata(), {name: stored.get_tensor(name) for name in stored.keys()}
        places = [name.removesuffix(end) for name in tensors for end in (".query.weight", ".q_proj.weight")
                  if name.endswith(end)]

        def renamed(name):
            for end in NEW:
                base = name.removesuffix(end)
                if name.endswith(end) and base not in places:
                    return next(place for place in places if place.startswith(base + ".")) + end
            return name

        if any(renamed(name) != name for name in tensors):
            save_file({renamed(name): tensor for name, tensor in tensors.items()}, file, metadata)


def save(model, out, original):
    """Writes a checkpoint that octavo loads, with the original's tokenizer and modules beside it."""
    out = pathlib.Path(out)
    save_model(model, out)
    for each in sorted(pathlib.Path(original).iterdir()):
        if (out / each.name).exists() or each.suffix in (".safetensors", ".bin", ".h5", ".msgpack", ".onnx", ".md"):
            continue
        if each.is_dir() and not (each / "config.json").exists():
            continue
        (shutil.copytree if each.is_dir() else shutil.copy)(each, out / each.name)


def load(checkpoint):
    """The model without a head, in float32, and without a pooler that the checkpoint does not have."""
    from transformers import AutoModel

    model, info = AutoModel.from_pretrained(checkpoint, dtype=torch.float32, output_loading_info=True)
    if any(name.startswith("pooler.") for name in info["missing_keys"]):
        model.pooler = None
    return model


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("out")
    parser.add_argument("--data", required=True, help="a text per line, or a folder of pictures")
    parser.add_argument("--gamma", type=float, default=0.0, help="clipped softmax, below 0: -0.025")
    parser.add_argument("--zeta", type=float, default=1.0)
    parser.add_argument("--softmax1", action="store_true", help="a sink of 0 that is not learned")
    parser.add_argument("--sink", action="store_true", help="a learned sink per head")
    parser.add_argument("--gate", default="none", choices=("none",) + GATE_TYPES)
    parser.add_argument("--gate-activation", default="sigmoid", choices=tuple(ACTIVATIONS))
    parser.add_argument("--gate-scale", type=float, default=2.0, help="of sigmoids of conditional gates")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--tokens", type=int, default=1024, help="of a batch of texts")
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--lr", type=float, default=1e-4)
    parser.add_argument("--limit", type=float, default=6.0, help="FFN outputs beyond it cost")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0)
    a = parser.parse_args()
    from transformers import AutoImageProcessor, AutoTokenizer

    if a.threads:
        torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    scaled = a.gate.startswith("conditional") and a.gate_activation == "sigmoid"
    method = Method(a.gamma, a.zeta, a.softmax1, a.sink, a.gate, a.gate_activation, a.gate_scale if scaled else 1.0)
    teacher, student = load(a.checkpoint), load(a.checkpoint)
    give(student, method)
    if pathlib.Path(a.data).is_dir():
        batches = Pictures(AutoImageProcessor.from_pretrained(a.checkpoint), a.data, seed=a.seed)
    else:
        texts = [line for line in pathlib.Path(a.data).read_text(encoding="utf-8").splitlines() if line.strip()]
        batches = Texts(AutoTokenizer.from_pretrained(a.checkpoint), texts, a.tokens, a.max_length, a.seed)
    save(distil(student, teacher, batches, a.steps, a.lr, a.limit), a.out, a.checkpoint)


if __name__ == "__main__":
    main()
