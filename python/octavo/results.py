"""What a model answers: named tuples, and how they are read of the library's ragged tables."""

from __future__ import annotations

import ctypes
from typing import Any, NamedTuple

import numpy as np

from . import _native


class Label(NamedTuple):
    """A class and how sure the model is of it."""

    label: str
    score: float
    id: int


class Ranked(NamedTuple):
    """A document and how well it answers the query; ``id`` is its place in the list."""

    id: int
    score: float
    text: str


class Entity(NamedTuple):
    """A part of a text, ``text[start:end]``, and what it is."""

    label: str
    score: float
    start: int
    end: int
    text: str


class Answer(NamedTuple):
    """A part of a context, ``context[start:end]``, that answers a question; ``""`` where there is none."""

    text: str
    score: float
    start: int
    end: int


class FilledToken(NamedTuple):
    """A token that may stand in a masked place."""

    token: str
    score: float
    id: int


class Tokens(NamedTuple):
    """A text as a model sees it: ids, their tokens, and of each [first, end) in bytes of the text's UTF-8."""

    ids: np.ndarray[Any, np.dtype[np.int32]]
    tokens: list[str]
    offsets: np.ndarray[Any, np.dtype[np.int32]]


class SparseVector(NamedTuple):
    """Numbers above 0 of a sparse embedding, and the tokens of the vocabulary that they belong to."""

    ids: np.ndarray[Any, np.dtype[np.int32]]
    values: np.ndarray[Any, np.dtype[np.float32]]


class Perplexity(NamedTuple):
    """How well a text is predicted; ``top1`` is the share of masked tokens that are the likeliest, of a decoder 0."""

    perplexity: float
    standard_error: float
    tokens: int
    blocks: int
    top1: float


class Table:
    """The rows of an octavo_result, copied."""

    def __init__(self, result: ctypes.c_void_p) -> None:
        self._library = library = _native.library()
        try:
            inputs = library.result_count(result)
            self.offsets = np.ctypeslib.as_array(library.result_offsets(result), (inputs + 1,)).tolist()
            self.rows: int = self.offsets[-1]
            self.ids = self._column(library.result_ids(result), np.int32)
            self.scores = self._column(library.result_scores(result), np.float32)
            self.starts = self._column(library.result_starts(result), np.int32)
            self.ends = self._column(library.result_ends(result), np.int32)
            columns = ctypes.c_size_t()
            vectors = library.result_vectors(result, ctypes.byref(columns))
            shape = (self.rows, columns.value)
            self.vectors = np.ctypeslib.as_array(vectors, shape).copy() if vectors else np.zeros(shape, np.float32)
            self.labels = self._strings(library.result_labels, result)
            self.texts = self._strings(library.result_texts, result)
        finally:
            library.result_free(result)

    def _column(self, pointer: Any, dtype: Any) -> np.ndarray[Any, Any]:
        return np.ctypeslib.as_array(pointer, (self.rows,)).copy() if pointer else np.zeros(0, dtype)

    def _strings(self, function: Any, result: ctypes.c_void_p) -> list[str]:
        offsets = ctypes.POINTER(ctypes.c_int64)()
        data = function(result, ctypes.byref(offsets))
        if not data or self.rows == 0:
            return []
        ends = np.ctypeslib.as_array(offsets, (self.rows + 1,)).tolist()
        all_bytes = ctypes.string_at(data, ends[-1])
        return [all_bytes[a:b].decode("utf-8", "replace") for a, b in zip(ends, ends[1:])]

    def spans(self) -> list[tuple[int, int]]:
        """The rows of each input: first, and the one behind the last."""
        return list(zip(self.offsets, self.offsets[1:]))

    def classes(self) -> list[list[Label]]:
        rows = list(map(Label, self.labels, self.scores.tolist(), self.ids.tolist()))
        return [rows[a:b] for a, b in self.spans()]

    def entities(self) -> list[list[Entity]]:
        columns = (self.scores.tolist(), self.starts.tolist(), self.ends.tolist())
        rows = list(map(Entity, self.labels, *columns, self.texts))
        return [rows[a:b] for a, b in self.spans()]

    def answers(self) -> list[list[Answer]]:
        columns = (self.scores.tolist(), self.starts.tolist(), self.ends.tolist())
        rows = list(map(Answer, self.texts, *columns))
        return [rows[a:b] for a, b in self.spans()]

    def masks(self) -> list[list[list[FilledToken]]]:
        rows = list(map(FilledToken, self.texts, self.scores.tolist(), self.ids.tolist()))
        places = self.starts.tolist()
        result = []
        for a, b in self.spans():
            masks: list[list[FilledToken]] = [[] for _ in range(max(places[a:b], default=-1) + 1)]
            for place, row in zip(places[a:b], rows[a:b]):
                masks[place].append(row)
            result.append(masks)
        return result

    def tokens(self) -> list[Tokens]:
        places = np.stack([self.starts, self.ends], axis=1)
        return [Tokens(self.ids[a:b], self.texts[a:b], places[a:b]) for a, b in self.spans()]

    def sparse(self) -> list[SparseVector]:
        return [SparseVector(self.ids[a:b], self.scores[a:b]) for a, b in self.spans()]

    def matrices(self) -> list[np.ndarray[Any, np.dtype[np.float32]]]:
        return [self.vectors[a:b] for a, b in self.spans()]
