"""The engines: how each quantizes, loads and runs a model.

Their packages are imported where they are used, so that no engine's libraries disturb another's process.
"""
import json
import pathlib
import time

import numpy as np

from engine import Engine
from machine import cpu_flags
from octavo import Octavo
from work import Unsupported


class PyTorch(Engine):
    name, title = "torch", "PyTorch float32"

    def load(self):
        super().load()
        import models
        import torch

        torch.set_num_threads(self.threads)
        self.torch, self.module = torch, models.load(self.model, self.checkpoint)
        if self.decodes:
            config = json.loads(pathlib.Path(self.checkpoint, "config.json").read_text())
            self.prompt = [torch.from_numpy(past) for past in models.example_past(config, self.workload.length)]

    def run(self, feed):
        with self.torch.inference_mode():
            return self.module(*map(self.torch.from_numpy, feed.values())).numpy()

    def rewind(self):
        self.past = self.prompt if self.decodes else None

    def decode(self, token):
        with self.torch.inference_mode():
            _, *self.past = self.module(self.torch.from_numpy(token), *self.past)


class OnnxRuntime(Engine):
    name, title = "ort-f32", "ONNX Runtime float32"

    def file(self):
        return self.onnx()

    def prepare(self):
        self.file()

    def preprocessed(self):
        from onnxruntime.quantization.shape_inference import quant_pre_process

        return self.work.kept(self.folder / f"preprocessed-{self.onnx().name}",
                              lambda file: quant_pre_process(str(self.onnx()), str(file), skip_symbolic_shape=True))

    def load(self):
        super().load()
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = self.threads, 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.force_spinning_stop", "1")  # threads spin within a pass, not behind it
        self.session = onnxruntime.InferenceSession(str(self.file()), options, providers=["CPUExecutionProvider"])
        if self.decodes:
            past = {name: value for name, value in self.calibration_feeds()[0].items() if name != "input_ids"}
            self.value = onnxruntime.OrtValue.ortvalue_from_numpy
            self.prompt = {name: self.value(value) for name, value in past.items()}

    def run(self, feed):
        return self.session.run(None, feed)[0]

    def rewind(self):
        self.past = self.prompt if self.decodes else None

    def decode(self, token):
        answers = self.session.run_with_ort_values(None, {"input_ids": self.value(token), **self.past})
        self.past = dict(zip(self.past, answers[1:]))


class OnnxRuntimeDynamic(OnnxRuntime):
    name, title = "ort-dynamic", "ONNX Runtime int8 dynamic"

    def file(self):
        return self.work.kept(self.folder / f"dynamic-{self.onnx().name}", self.quantize)

    def quantize(self, file):
        from onnxruntime.quantization import QuantType, quantize_dynamic

        quantize_dynamic(str(self.preprocessed()), str(file), weight_type=QuantType.QInt8, per_channel=True)


class OnnxRuntimeStatic(OnnxRuntimeDynamic):
    """Products only: quantizing every op, the default, costs MiniLM a cosine of 0.1 and makes it no faster."""

    name, title = "ort-static", "ONNX Runtime int8 static"

    def file(self):
        return self.work.kept(self.folder / f"static-{self.onnx().name}", self.quantize)

    def quantize(self, file):
        from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

        class Reader(CalibrationDataReader):
            def __init__(self, feeds):
                self.feeds = iter(feeds)

            def get_next(self):
                return next(self.feeds, None)

        quantize_static(str(self.preprocessed()), str(file), Reader(self.calibration_feeds()), quant_format=QuantFormat.QDQ,
                        op_types_to_quantize=["MatMul", "Gemm", "Conv"], per_channel=True, activation_type=QuantType.QUInt8,
                        weight_type=QuantType.QInt8)


class OpenVino(Engine):
    """Fixed shapes where the workload has them, as its documentation advises; a stateful decoder, for the same reason."""

    name, title, precision = "openvino-f32", "OpenVINO float32", "f32"

    def file(self):
        return self.stateful() if self.decodes else self.onnx()

    def prepare(self):
        if self.name == "openvino-bf16" and not {"avx512_bf16", "amx_bf16"} & cpu_flags():
            raise Unsupported("the CPU has no bf16")
        self.file()

    def saved(self, name, make):
        """A graph, in a folder of its own since it is two files."""
        import openvino

        def save(folder):
            openvino.save_model(make(openvino.Core()), folder / "graph.xml", compress_to_fp16=False)

        return self.work.kept(self.folder / name, save) / "graph.xml"

    def stateful(self):
        """From PyTorch's fused attention, which the plugin knows together with its state."""

        def make(_):
            import models
            import openvino
            import torch
            from openvino._offline_transformations import apply_make_stateful_transformation

            feed, _ = models.example_of(self.model, self.checkpoint, decode=True)
            names = [name for name in feed if name != "input_ids"]
            example = tuple(map(torch.from_numpy, feed.values()))
            graph = openvino.convert_model(models.load(self.model, self.checkpoint), example_input=example)
            for given, name in zip(graph.inputs, feed):
                given.get_tensor().set_names({name})
            for answer, name in zip(graph.outputs, ["answer", *(f"present.{name}" for name in names)]):
                answer.get_tensor().set_names({name})
            past = feed[names[0]].shape
            graph.reshape({"input_ids": [1, 1], **{name: [1, past[1], -1, past[3]] for name in names}})
            apply_make_stateful_transformation(graph, {name: f"present.{name}" for name in names})
            return graph

        return self.saved("openvino-decode", make)

    def load(self):
        super().load()
        import openvino

        core = openvino.Core()
        graph = core.read_model(self.file())
        if self.workload.kind in ("tokens", "pictures", "prefill"):
            graph.reshape({name: values.shape for name, values in self.feeds[0].items()})
        settings = {"INFERENCE_NUM_THREADS": self.threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"}
        if self.precision:
            settings["INFERENCE_PRECISION_HINT"] = self.precision
        self.request = core.compile_model(graph, "CPU", settings).create_infer_request()

    def run(self, feed):
        return next(iter(self.request.infer(feed, share_inputs=True, share_outputs=True).values()))

    def rewind(self):
        if self.decodes:
            self.request.reset_state()
            for token in self.feeds[0]["input_ids"][0]:
                self.decode(np.array([[token]]))

    def decode(self, token):
        self.request.infer({"input_ids": token}, share_inputs=True, share_outputs=True)


class OpenVinoDefault(OpenVino):
    name, title, precision = "openvino-bf16", "OpenVINO bf16", None


class OpenVinoInt8(OpenVino):
    """NNCF's post-training quantization of activations and weights; of weights alone for single tokens, where it is faster."""

    name, title, precision = "openvino-int8", "OpenVINO int8", None

    def file(self):
        return self.saved("openvino-int8-decode" if self.decodes else "openvino-int8", self.quantize)

    def quantize(self, core):
        import nncf

        graph = core.read_model(super().file())
        if self.decodes:
            return nncf.compress_weights(graph)
        feeds = self.calibration_feeds()
        return nncf.quantize(graph, nncf.Dataset(feeds), model_type=nncf.ModelType.TRANSFORMER,
                             preset=nncf.QuantizationPreset.MIXED, subset_size=len(feeds))


class CTranslate2(Engine):
    """Takes sequences of any length and packs them itself; of a decoder it has no pass without a new token."""

    name, title = "ctranslate2", "CTranslate2 int8"

    def prepare(self):
        if self.model.family == "vit":
            raise Unsupported("has no ViT")
        if self.model.classifies:
            raise Unsupported("its encoders have no heads")
        self.work.kept(self.folder / "ctranslate2", self.convert)

    def convert(self, folder):
        import transformers
        from ctranslate2.converters import TransformersConverter

        transformers.BertConfig.position_embedding_type = "absolute"  # the converter asks for what transformers 5 no longer has
        TransformersConverter(self.checkpoint).convert(str(folder), quantization="int8")

    def load(self):
        super().load()
        import ctranslate2

        settings = {"device": "cpu", "compute_type": "int8", "inter_threads": 1, "intra_threads": self.threads}
        kind = ctranslate2.Generator if self.model.family == "opt" else ctranslate2.Encoder
        self.engine = kind(str(self.folder / "ctranslate2"), **settings)
        if self.model.family == "bert":
            self.feeds = [[row[:count].tolist() for row, count in zip(feed["input_ids"], feed["attention_mask"].sum(1))]
                          for feed in self.feeds]
        else:
            vocabulary = json.loads((self.folder / "ctranslate2" / "vocabulary.json").read_text())
            self.feeds = [[[vocabulary[i] for i in row] for row in feed["input_ids"]] for feed in self.feeds]

    def run(self, feed):
        if self.model.family == "bert":
            return np.array(self.engine.forward_batch(feed).last_hidden_state)
        return self.generate(feed, 1)

    def generate(self, feed, tokens):
        return self.engine.generate_batch(feed, max_length=tokens, min_length=tokens, sampling_topk=1,
                                          include_prompt_in_result=False)

    def time(self, passes):
        """Of decoding what more tokens take longer, since a prompt cannot be kept."""
        if not self.decodes:
            return super().time(passes)
        samples = []
        for _ in range(passes + 1):
            marks = []
            for tokens in (1, 1 + self.workload.steps):
                marks.append(time.perf_counter())
                self.generate(self.feeds[0], tokens)
            marks.append(time.perf_counter())
            samples.append(1e3 * ((marks[2] - marks[1]) - (marks[1] - marks[0])) / self.workload.steps)
        return samples[1:]


ENGINES = {engine.name: engine for engine in (
    Octavo, OpenVinoInt8, OpenVinoDefault, OpenVino, OnnxRuntimeStatic, OnnxRuntimeDynamic, OnnxRuntime, CTranslate2, PyTorch)}
