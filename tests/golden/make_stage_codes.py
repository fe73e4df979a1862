#!/usr/bin/env python3
"""Which integers does the reference simulation hold at every stage? Writes them for a few sentences, as safetensors.

  python make_stage_codes.py SIMULATION.py DATA_ROOT minilm_gated     writes minilm_gated_stages.safetensors here
  python make_stage_codes.py SIMULATION.py DATA_ROOT minilm_clipped   writes minilm_clipped_stages.safetensors here

The simulation is imported, calibrated and run as it is; its methods are only listened to. README.md names the tensors.
"""
import argparse
import importlib.util
import json
import pathlib
import tempfile

import torch
from tokenizers import Tokenizer

SHIPPED = pathlib.Path(__file__).resolve().parents[2] / "models/pretrained"

CONFIGURATION = "finalc,equal=none,gptq=0,bc=0"
SHORT = "A man is playing the cello."
MIDDLE = "Clipped softmax can output exact zeros, so a head can do nothing."
LONG = ("A short sentence rarely shows how attention behaves, so this one keeps going: it names a river, two bridges "
        "and a market square, and it ends only after the last boat has left the harbour.")
SETS = {  # name: checkpoint (of the project or the shared data), sentences, layers whose stages are written
    "minilm_gated": ("all-MiniLM-L6-v2-gated", [MIDDLE, SHORT], range(6)),
    "minilm_clipped": ("all-MiniLM-L6-v2-clipped", [SHORT, LONG], (0, 5)),
}
LAYER_SITES = ("attn_in", "q", "k", "v", "ctx", "sum1", "ffn_in", "gelu_out", "sum2")


def load_simulation(path):
    spec = importlib.util.spec_from_file_location("simulation", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def folder_of(checkpoint, data):
    shipped = SHIPPED / checkpoint
    return shipped if shipped.exists() else data / "models" / checkpoint


def calibrate(sim, data, checkpoint):
    """The simulation's own calibration, on its own batches; limit=1 spares it the float run over all the pairs."""
    with tempfile.TemporaryDirectory() as cache:
        options = argparse.Namespace(data=str(data), other=str(folder_of(checkpoint, data)), cache=cache, limit=1)
        return sim.Task("minilm", options)


class Listener:
    """Stands in for a callable of the simulation; reports its input and output before anyone changes them in place."""

    def __init__(self, inner, report):
        self.inner, self.report = inner, report

    def __call__(self, x, *rest):
        before = x.clone()
        result = self.inner(x, *rest)
        self.report(before, result)
        return result


class Recorder:
    """Collects the codes of one sentence; batch dimension dropped, tensors as [tokens, columns]."""

    def __init__(self, sim, model):
        self.codes = {}
        self.listen_to_norm(model, "lne", "embedding.sum", "embedding.ln")
        requant_names = {}  # the multiplier tensor tells the calls of requant apart
        for i, layer in enumerate(model.L):
            name = f"layer.{i}."
            self.listen_to_norm(layer, "ln1", name + "sum1", name + "ln1")
            self.listen_to_norm(layer, "ln2", name + "sum2", name + "ln2")
            self.listen(layer, "gelu", lambda x, y, n=name: self.put(n + "gelu", y, torch.uint8))
            self.listen(layer, "sm", lambda x, y, n=name: self.put(n + "probs", y[0], torch.uint8))
            self.listen(layer.o, "acc", lambda x, y, n=name: self.put(n + "context", x, torch.uint8))
            requant_names[id(layer.rqkv[0])] = lambda y, n=name, q=layer: self.put_qkv(n, y, q)
            if layer.rgate is not None:
                requant_names[id(layer.rgate[0])] = lambda y, n=name: self.put(n + "gate", y, torch.int16)
        self.listen_to_requant(sim, requant_names)

    def put(self, name, codes, dtype):
        limits = torch.iinfo(dtype)
        assert limits.min <= int(codes.min()) and int(codes.max()) <= limits.max, name
        self.codes[name] = codes[0].to(dtype).contiguous()

    def put_qkv(self, name, unclamped, layer):
        codes = torch.minimum(torch.maximum(unclamped + layer.zqkv, layer.lo), layer.hi)
        for letter, part, dtype in zip("qkv", codes.chunk(3, -1), (torch.uint8, torch.int8, torch.int8)):
            self.put(name + letter, part, dtype)

    def put_norm(self, sum_name, norm_name, x, lanes):
        self.put(sum_name, x, torch.int16)
        if len(lanes) == 2:  # the last LayerNorm has no u8 lane
            self.put(norm_name + "_u8", lanes[0], torch.uint8)
        self.put(norm_name + "_s16", lanes[-1], torch.int16)
        self.codes["pooled_sum"] = lanes[-1][0].sum(0).to(torch.int32)  # of the last LayerNorm in the end

    @staticmethod
    def listen(owner, attribute, report):
        setattr(owner, attribute, Listener(getattr(owner, attribute), report))

    def listen_to_norm(self, owner, attribute, sum_name, norm_name):
        self.listen(owner, attribute, lambda x, lanes: self.put_norm(sum_name, norm_name, x, lanes))

    @staticmethod
    def listen_to_requant(sim, names):
        inner = sim.requant

        def requant(acc, m, *rest):
            result = inner(acc, m, *rest)
            if id(m) in names:
                names[id(m)](result)
            return result

        sim.requant = requant


def wanted(name, layers):
    """The stages of the chosen layers, and the LayerNorm codes that enter them."""
    parts = name.split(".")
    if parts[0] != "layer":
        return True
    return int(parts[1]) in layers or (parts[2].startswith("ln2") and int(parts[1]) + 1 in layers)


def site_ranges(calibration, layer_count):
    names = ["esum", "out"] + [f"{site}.{i}" for i in range(layer_count) for site in LAYER_SITES]
    return {name: list(calibration.r[name]["minmax"]) for name in names}


def save(path, tensors, metadata):
    """safetensors in a fixed order, so that the same codes give the same bytes (the package's own writer shuffles)."""
    dtypes = {torch.uint8: "U8", torch.int8: "I8", torch.int16: "I16", torch.int32: "I32"}
    header, end = {"__metadata__": metadata}, 0
    tensors = dict(sorted(tensors.items(), key=lambda item: (-item[1].element_size(), item[0])))  # keeps each aligned
    for name, codes in tensors.items():
        begin, end = end, end + codes.nbytes
        header[name] = {"dtype": dtypes[codes.dtype], "shape": list(codes.shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 64 + 56)  # with the 8 bytes of the length, data starts at a multiple of 64
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for codes in tensors.values():
            file.write(codes.numpy().tobytes())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("simulation", type=pathlib.Path, help="the reference simulation, a Python file")
    parser.add_argument("data", type=pathlib.Path, help="the shared data root (models/ and text/)")
    parser.add_argument("set", choices=SETS)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent)
    arguments = parser.parse_args()

    checkpoint, sentences, layers = SETS[arguments.set]
    sim = load_simulation(arguments.simulation)
    task = calibrate(sim, arguments.data, checkpoint)
    model = sim.QModel(task.m, task.cal, sim.parse(CONFIGURATION))
    recorder = Recorder(sim, model)

    tokenizer = Tokenizer.from_file(str(folder_of(checkpoint, arguments.data) / "tokenizer.json"))
    tokenizer.no_padding()
    tensors = {}
    for n, sentence in enumerate(sentences):
        ids = torch.tensor([tokenizer.encode(sentence).ids])
        recorder.codes = {"ids": ids[0].to(torch.int32)}
        model.forward(ids)
        tensors.update({f"text.{n}.{name}": codes for name, codes in recorder.codes.items() if wanted(name, layers)})
    metadata = {
        "checkpoint": checkpoint,
        "configuration": CONFIGURATION,
        "texts": json.dumps(sentences),
        "ranges": json.dumps(site_ranges(task.cal, len(model.L))),
        "torch": torch.__version__,
    }
    path = arguments.out / f"{arguments.set}_stages.safetensors"
    save(path, tensors, metadata)
    print(f"{path.name}: {len(tensors)} tensors, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
