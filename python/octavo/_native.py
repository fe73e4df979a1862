"""liboctavo.so and its structs, as include/octavo/octavo.h has them. Loaded when it is first used."""

from __future__ import annotations

import ctypes
import functools
import os
import re
from ctypes import POINTER, c_char_p, c_double, c_float, c_int, c_int32, c_int64, c_size_t, c_uint64, c_void_p
from typing import Any

from .errors import Error, NotFoundError

OK, INVALID_ARGUMENT, NOT_FOUND, ERROR, OUT_OF_MEMORY, CANCELLED, INTERNAL = range(7)


class Sized(ctypes.Structure):
    """A struct that begins with its size; a field that is not given has the default."""

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)
        self.struct_size = ctypes.sizeof(self)


def _sized(**fields: Any) -> list[tuple[str, Any]]:
    return [("struct_size", c_size_t), *fields.items()]


class String(ctypes.Structure):
    _fields_ = [("data", c_char_p), ("length", c_size_t)]


class Texts(Sized):
    _fields_ = _sized(
        count=c_size_t, pointers=c_void_p, lengths=c_void_p, bytes=c_void_p, offsets=c_void_p, offsets32=c_void_p
    )


class Images(Sized):
    _fields_ = _sized(
        count=c_size_t,
        data=POINTER(c_void_p),
        sizes=POINTER(c_size_t),
        widths=POINTER(c_int32),
        heights=POINTER(c_int32),
    )


class ModelOptions(Sized):
    _fields_ = _sized(isa=String, mapped=c_int32, reserved=c_int32)


class SessionOptions(Sized):
    _fields_ = _sized(threads=c_int32, reserved=c_int32)


_LIMITS: dict[str, Any] = {"batch_size": c_int64, "max_batch_tokens": c_int64}


class EmbedOptions(Sized):
    _fields_ = _sized(
        prompt=String,
        prompt_name=String,
        pooling=c_int32,
        normalize=c_int32,
        truncate_dim=c_int32,
        max_length=c_int32,
        **_LIMITS,
    )


class ClassifyOptions(Sized):
    _fields_ = _sized(
        top_k=c_int32,
        max_length=c_int32,
        **_LIMITS,
        candidates=POINTER(Texts),
        hypothesis=String,
        multi_label=c_int32,
        function_to_apply=c_int32,
    )


class RankOptions(Sized):
    _fields_ = _sized(top_k=c_int32, max_length=c_int32, **_LIMITS)


class TagOptions(Sized):
    _fields_ = _sized(aggregation=c_int32, max_length=c_int32, stride=c_int32, reserved=c_int32, **_LIMITS)


class AnswerOptions(Sized):
    _fields_ = _sized(
        top_k=c_int32,
        max_answer_length=c_int32,
        impossible=c_int32,
        max_length=c_int32,
        stride=c_int32,
        reserved=c_int32,
        **_LIMITS,
    )


class FillMaskOptions(Sized):
    _fields_ = _sized(top_k=c_int32, max_length=c_int32, **_LIMITS, targets=POINTER(Texts))


class ClassifyImagesOptions(Sized):
    _fields_ = _sized(top_k=c_int32, reserved=c_int32, batch_size=c_int64)


class TokenizeOptions(Sized):
    _fields_ = _sized(max_length=c_int32, reserved=c_int32)


class GenerateOptions(Sized):
    _fields_ = _sized(
        max_new_tokens=c_int32,
        context=c_int32,
        temperature=c_double,
        top_p=c_double,
        min_p=c_double,
        repetition_penalty=c_double,
        top_k=c_int32,
        beams=c_int32,
        seed=c_uint64,
        stops=POINTER(Texts),
    )


class PerplexityOptions(Sized):
    _fields_ = _sized(
        context=c_int32, stride=c_int32, pseudo=c_int32, reserved=c_int32, seed=c_uint64, **_LIMITS
    )


class PerplexityResult(Sized):
    _fields_ = _sized(perplexity=c_double, standard_error=c_double, top1=c_double, tokens=c_int64, blocks=c_int64)


TextSink = ctypes.CFUNCTYPE(c_int, c_void_p, POINTER(ctypes.c_char), c_size_t)
Progress = ctypes.CFUNCTYPE(c_int, c_void_p, c_char_p, c_double)

_run = [c_void_p, POINTER(Texts)]
_out = POINTER(c_void_p)

# Each function's result and arguments.
_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "last_error": (c_char_p, []),
    "version": (c_char_p, []),
    "cpu_info": (c_int, [POINTER(c_char_p)]),
    "model_open": (c_int, [c_char_p, POINTER(ModelOptions), _out]),
    "model_release": (None, [c_void_p]),
    "model_info": (c_int, [c_void_p, POINTER(c_char_p)]),
    "session_create": (c_int, [c_void_p, POINTER(SessionOptions), _out]),
    "session_free": (None, [c_void_p]),
    "embedding_size": (c_int, [c_void_p, POINTER(EmbedOptions), POINTER(c_size_t)]),
    "embed": (c_int, [*_run, POINTER(EmbedOptions), c_void_p, c_size_t]),
    "embed_images": (c_int, [c_void_p, POINTER(Images), POINTER(EmbedOptions), c_void_p, c_size_t]),
    "quantize_embeddings": (
        c_int,
        [c_void_p, c_size_t, c_size_t, c_int, c_void_p, c_void_p, c_void_p, c_size_t],
    ),
    "result_count": (c_size_t, [c_void_p]),
    "result_offsets": (POINTER(c_int64), [c_void_p]),
    "result_ids": (POINTER(c_int32), [c_void_p]),
    "result_scores": (POINTER(c_float), [c_void_p]),
    "result_starts": (POINTER(c_int32), [c_void_p]),
    "result_ends": (POINTER(c_int32), [c_void_p]),
    "result_vectors": (POINTER(c_float), [c_void_p, POINTER(c_size_t)]),
    "result_labels": (c_void_p, [c_void_p, POINTER(POINTER(c_int64))]),
    "result_texts": (c_void_p, [c_void_p, POINTER(POINTER(c_int64))]),
    "result_free": (None, [c_void_p]),
    "embed_tokens": (c_int, [*_run, POINTER(EmbedOptions), _out]),
    "embed_sparse": (c_int, [*_run, POINTER(EmbedOptions), _out]),
    "classify": (c_int, [*_run, POINTER(Texts), POINTER(ClassifyOptions), _out]),
    "rank": (c_int, [c_void_p, String, POINTER(Texts), POINTER(RankOptions), _out]),
    "tag": (c_int, [*_run, POINTER(TagOptions), _out]),
    "answer": (c_int, [*_run, POINTER(Texts), POINTER(AnswerOptions), _out]),
    "fill_mask": (c_int, [*_run, POINTER(FillMaskOptions), _out]),
    "classify_images": (c_int, [c_void_p, POINTER(Images), POINTER(ClassifyImagesOptions), _out]),
    "tokenize": (c_int, [*_run, POINTER(Texts), POINTER(TokenizeOptions), _out]),
    "generate": (c_int, [c_void_p, String, POINTER(GenerateOptions), TextSink, c_void_p, c_void_p]),
    "perplexity": (c_int, [c_void_p, String, POINTER(PerplexityOptions), POINTER(PerplexityResult)]),
    "calibrate": (
        c_int,
        [c_char_p, POINTER(Texts), c_char_p, c_char_p, Progress, c_void_p, POINTER(c_void_p)],
    ),
    "report_json": (c_char_p, [c_void_p]),
    "report_text": (c_char_p, [c_void_p]),
    "report_html": (c_char_p, [c_void_p]),
    "report_free": (None, [c_void_p]),
    "command": (c_int, [c_int, POINTER(c_char_p)]),
}


class Library:
    """The functions of liboctavo.so by their names without ``octavo_``."""

    def __init__(self, path: str) -> None:
        library = ctypes.CDLL(path)
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(library, "octavo_" + name)
            function.restype, function.argtypes = result, arguments
            setattr(self, name, function)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


@functools.lru_cache(maxsize=1)
def library() -> Library:
    """The library of the wheel, or the one that ``OCTAVO_LIBRARY`` names."""
    path = os.environ.get("OCTAVO_LIBRARY") or os.path.join(os.path.dirname(__file__), "liboctavo.so.0")
    return Library(path)


def string(text: str | None) -> String:
    """A text for as long as the struct lives."""
    if text is None:
        return String()
    data = text.encode("utf-8", "surrogatepass")
    return String(data=data, length=len(data))


def check(status: int) -> None:
    """Raises what a status stands for."""
    if status == OK:
        return
    message = library().last_error().decode("utf-8", "replace")
    if status == INVALID_ARGUMENT:
        # Flags of the command are arguments here.
        raise ValueError(re.sub(r"--([a-z][a-z0-9-]*)", lambda flag: flag[1].replace("-", "_"), message))
    if status == NOT_FOUND:
        raise NotFoundError(message)
    if status == OUT_OF_MEMORY:
        raise MemoryError(message)
    raise Error(message)
