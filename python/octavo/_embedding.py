"""Texts and pictures to arrays of numbers."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import _arguments, _images, _native, _texts
from ._progress import Bar
from ._sessions import Handle
from .results import Table

Array = np.ndarray[Any, Any]

POOLINGS = ("mean", "cls", "max", "mean_sqrt_len_tokens", "weightedmean", "lasttoken", "pooler")
PRECISIONS = ("float32", "int8", "uint8", "binary", "ubinary")
OUTPUTS = ("embedding", "tokens", "sparse")


@dataclass
class EmbedSettings:
    """What is asked for in place of what the checkpoint says; checked when it becomes a struct."""

    prompt: Any = None
    prompt_name: Any = None
    pooling: Any = None
    normalize: Any = None
    truncate_dim: Any = None
    max_length: Any = None
    batch_size: Any = 128
    max_batch_tokens: Any = 16384

    def struct(self) -> _native.EmbedOptions:
        if self.prompt is not None and self.prompt_name is not None:
            raise ValueError("prompt and prompt_name exclude each other")
        return _native.EmbedOptions(
            prompt=_native.string(_arguments.optional_text("prompt", self.prompt)),
            prompt_name=_native.string(_arguments.optional_text("prompt_name", self.prompt_name)),
            pooling=_arguments.choice("pooling", self.pooling, POOLINGS),
            normalize=_arguments.switch("normalize", self.normalize),
            **_arguments.counts(
                truncate_dim=self.truncate_dim,
                max_length=self.max_length,
                batch_size=self.batch_size,
                max_batch_tokens=self.max_batch_tokens,
            ),
        )


class Embedder:
    def __init__(self, handle: Handle, info: dict[str, Any]) -> None:
        self._handle, self._sparse = handle, bool(info["sparse"])

    def encode(
        self, texts: Any, settings: EmbedSettings, precision: Any, ranges: Any, output: Any, out: Any, show: bool
    ) -> Any:
        options = settings.struct()
        chosen = _arguments.choice("precision", precision, PRECISIONS)
        kind = OUTPUTS[_arguments.choice("output", output, OUTPUTS) - 1]
        one = isinstance(texts, str)
        sources = _texts.sources([texts] if one else texts)
        if kind != "embedding":
            if chosen > 1 or ranges is not None or out is not None:
                raise ValueError(f"precision, ranges and out have no effect beside output {kind!r}")
            answers = self._ragged(sources, options, kind, show)
            return answers[0] if one else answers
        rows = sum(map(len, sources))
        size = self._size(options)
        matrix = _matrix(out, (size,) if one else (rows, size)).reshape(rows, size)
        self._fill(sources, options, matrix, show)
        result = matrix if chosen <= 1 else quantize(matrix, chosen - 1, ranges)
        if chosen <= 1 and ranges is not None:
            raise ValueError("ranges has no effect on float32")
        return result[0] if one else result if out is None or chosen > 1 else out

    def encode_images(self, images: Any, settings: EmbedSettings, show: bool) -> Array:
        options = settings.struct()
        one = _images.is_one(images)
        pictures = [images] if one else list(images)
        matrix = np.zeros((len(pictures), self._size(options)), np.float32)
        step = int(options.batch_size)
        with Bar(len(pictures), "embed", show) as bar, self._handle.session() as session:
            for first in range(0, max(len(pictures), 1), step):
                part = _images.Part(pictures[first : first + step], first)
                rows = matrix[first : first + step]
                _native.check(
                    _native.library().embed_images(
                        session, part.pointer, ctypes.byref(options), rows.ctypes.data, rows.size
                    )
                )
                bar.add(part.struct.count)
        return matrix[0] if one else matrix

    def _size(self, options: _native.EmbedOptions) -> int:
        columns = ctypes.c_size_t()
        _native.check(
            _native.library().embedding_size(self._handle.value, ctypes.byref(options), ctypes.byref(columns))
        )
        return columns.value

    def _fill(self, sources: list[_texts.Source], options: _native.EmbedOptions, matrix: Array, show: bool) -> None:
        """A batch at a time, so that Ctrl-C ends the work between two."""
        embed, reference = _native.library().embed, ctypes.byref(options)
        address, row_bytes, room = matrix.ctypes.data, matrix.shape[1] * 4, matrix.size
        with Bar(len(matrix), "embed", show) as bar, self._handle.session() as session:
            if not len(matrix):  # what is wrong is told all the same
                _native.check(embed(session, _texts.of_strings([]).pointer, reference, None, 0))
            for count, part in _texts.parts(sources, int(options.batch_size)):
                _native.check(embed(session, part.pointer, reference, address, room))
                address += count * row_bytes
                room -= count * matrix.shape[1]
                bar.add(count)

    def _ragged(
        self, sources: list[_texts.Source], options: _native.EmbedOptions, kind: str, show: bool
    ) -> list[Any]:
        function = _native.library().embed_tokens if kind == "tokens" else _native.library().embed_sparse
        answers: list[Any] = []
        with Bar(sum(map(len, sources)), "embed", show) as bar, self._handle.session() as session:
            for count, part in _texts.parts(sources, int(options.batch_size)):
                result = ctypes.c_void_p()
                _native.check(function(session, part.pointer, ctypes.byref(options), ctypes.byref(result)))
                table = Table(result)
                answers += table.matrices() if kind == "tokens" else table.sparse()
                bar.add(count)
        return answers


def _matrix(out: Any, shape: tuple[int, ...]) -> Array:
    """The caller's array, or a new one."""
    if out is None:
        return np.empty(shape, np.float32)
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out is {type(out).__name__}, expected a numpy array")
    if out.dtype != np.float32 or out.shape != shape or not out.flags.c_contiguous or not out.flags.writeable:
        raise ValueError(
            f"out is {out.dtype} of shape {list(out.shape)}, expected contiguous float32 of shape {list(shape)}"
            " that can be written"
        )
    return out


def rounded(matrix: Array, precision: str) -> Array:
    """Embeddings in another precision; those of ``"float32"`` stay as they are."""
    chosen = _arguments.choice("precision", precision, PRECISIONS)
    return matrix if chosen <= 1 else quantize(matrix, chosen - 1, None)


def quantize(matrix: Array, precision: int, ranges: Any) -> Array:
    """Rounds embeddings; ``precision`` is the place in PRECISIONS."""
    bits = precision > 2
    columns = matrix.shape[1]
    result = np.empty(
        (len(matrix), (columns + 7) // 8 if bits else columns), np.uint8 if precision in (2, 4) else np.int8
    )
    lowest = highest = None
    if ranges is not None:
        if bits:
            raise ValueError("ranges has no effect on bits")
        ranges = np.ascontiguousarray(ranges, np.float32)
        if ranges.shape != (2, columns):
            raise ValueError(f"ranges has shape {list(ranges.shape)}, expected [2, {columns}]")
        lowest, highest = ranges[0].ctypes.data, ranges[1].ctypes.data
    _native.check(
        _native.library().quantize_embeddings(
            matrix.ctypes.data, len(matrix), columns, precision, lowest, highest, result.ctypes.data, result.nbytes
        )
    )
    return result


def similarity(a: Any, b: Any, kind: str) -> Array:
    """Rows against rows."""
    x, y = np.atleast_2d(np.asarray(a, np.float32)), np.atleast_2d(np.asarray(b, np.float32))
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise ValueError(f"a and b have shapes {list(x.shape)} and {list(y.shape)}, expected rows of equal length")
    if kind == "dot":
        return np.asarray(x @ y.T)
    if kind == "cosine":
        return np.asarray(_unit(x) @ _unit(y).T)
    distance = np.empty((len(x), len(y)), np.float32)
    for i, row in enumerate(x):
        difference = row - y
        distance[i] = (
            np.sqrt(np.einsum("ij,ij->i", difference, difference))
            if kind == "euclidean"
            else np.abs(difference).sum(axis=1)
        )
    return -distance


def _unit(rows: Array) -> Array:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1))
