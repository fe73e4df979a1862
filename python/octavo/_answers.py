"""What models with a head answer: classes, ranks, entities, answers, masked words."""

from __future__ import annotations

import ctypes
from typing import Any, Callable, Iterable, TypeVar

import numpy as np

from . import _arguments, _images, _native, _texts
from ._arguments import counts
from ._progress import Bar
from ._sessions import Handle
from .results import Label, Ranked, Table

T = TypeVar("T")

_AGGREGATIONS = ("none", "simple", "first", "average", "max")
_SCORE_FUNCTIONS = ("softmax", "sigmoid", "none")


class Answers:
    """The part of a Model that its head serves. ``_handle`` is the open model."""

    _handle: Handle

    def classify(
        self,
        texts: _texts.Texts,
        pairs: _texts.Texts | None = None,
        *,
        candidates: Iterable[str] | None = None,
        hypothesis: str | None = None,
        multi_label: bool = False,
        function_to_apply: str | None = None,
        top_k: int | None = None,
        max_length: int | None = None,
        batch_size: int = 32,
        max_batch_tokens: int = 16384,
        show_progress: bool = False,
    ) -> Any:
        """Finds the likeliest classes of texts, or of pairs of texts: a list of Label, best first, for each.

        Args:
            pairs: the second text of each pair.
            candidates: classes of your own, for a model of natural language inference.
            hypothesis: with ``{}`` for a candidate; by default ``"This example is {}."``.
            multi_label: several candidates may be true at once.
            function_to_apply: what makes scores of logits, ``"softmax"``, ``"sigmoid"`` or ``"none"``; by default as the
                checkpoint says.
            top_k: most classes; by default one, or all where several may be true at once.
        """
        own = None if candidates is None else _texts.of_strings(_texts.strings(candidates, "candidates"), "candidates")
        options = _native.ClassifyOptions(
            candidates=None if own is None else ctypes.pointer(own.struct),
            hypothesis=_native.string(_arguments.optional_text("hypothesis", hypothesis)),
            multi_label=int(_arguments.flag("multi_label", multi_label)),
            function_to_apply=_arguments.choice("function_to_apply", function_to_apply, _SCORE_FUNCTIONS),
            **counts(top_k=top_k, max_length=max_length, batch_size=batch_size, max_batch_tokens=max_batch_tokens),
        )
        return self._answer("classify", texts, pairs, options, Table.classes, show_progress)

    def rank(
        self,
        query: str,
        documents: Iterable[str],
        *,
        top_k: int | None = None,
        max_length: int | None = None,
        batch_size: int = 32,
        max_batch_tokens: int = 16384,
    ) -> list[Ranked]:
        """Orders documents by how well they answer a query, best first. The model is a cross-encoder."""
        if isinstance(documents, str):
            raise TypeError("documents is a str, expected an iterable of them")
        texts = _texts.strings(documents, "documents")
        asked = _arguments.text("query", query)
        count = _arguments.integer("top_k", top_k) or len(texts)
        options = _native.RankOptions(
            **counts(max_length=max_length, batch_size=batch_size, max_batch_tokens=max_batch_tokens)
        )
        scores = np.zeros(len(texts), np.float32)
        first = 0
        for size, part in _texts.parts([_texts.Strings(texts, "documents")], int(options.batch_size)):
            table = self._table("rank", _native.string(asked), part.pointer, ctypes.byref(options))
            scores[first + table.ids] = table.scores
            first += size
        if not texts:
            self._table("rank", _native.string(asked), _texts.of_strings([]).pointer, ctypes.byref(options))
        best = np.argsort(-scores, kind="stable")[:count].tolist()
        return [Ranked(index, float(scores[index]), texts[index]) for index in best]

    def tag(
        self,
        texts: _texts.Texts,
        *,
        aggregation: str | None = None,
        max_length: int | None = None,
        stride: int | None = None,
        batch_size: int = 32,
        max_batch_tokens: int = 16384,
        show_progress: bool = False,
    ) -> Any:
        """Finds names and other entities in texts: a list of Entity for each, in their order.

        Args:
            aggregation: how tokens become entities: ``"simple"``, the default, ``"first"``, ``"average"``, ``"max"``,
                or ``"none"``, each token by itself.
            max_length: tokens of a window; a longer text is several.
            stride: tokens that two windows have in common; by default half of one, at most 128.
        """
        options = _native.TagOptions(
            aggregation=_arguments.choice("aggregation", aggregation, _AGGREGATIONS),
            stride=_stride(stride),
            **counts(max_length=max_length, batch_size=batch_size, max_batch_tokens=max_batch_tokens),
        )
        return self._answer("tag", texts, None, options, Table.entities, show_progress, has_pairs=False)

    def answer(
        self,
        questions: _texts.Texts,
        contexts: _texts.Texts,
        *,
        top_k: int = 1,
        max_answer_length: int = 15,
        impossible: bool = False,
        max_length: int | None = None,
        stride: int | None = None,
        batch_size: int = 32,
        max_batch_tokens: int = 16384,
        show_progress: bool = False,
    ) -> Any:
        """Finds the parts of contexts that answer questions: a list of Answer, best first, for each question.

        Args:
            top_k: most answers to each question.
            max_answer_length: most tokens of an answer, before it is extended to whole words.
            impossible: there may be no answer, which is then ``""``.
            max_length, stride: of windows of a long context, as for ``tag()``.
        """
        options = _native.AnswerOptions(
            impossible=int(_arguments.flag("impossible", impossible)),
            stride=_stride(stride),
            **counts(
                top_k=top_k,
                max_answer_length=max_answer_length,
                max_length=max_length,
                batch_size=batch_size,
                max_batch_tokens=max_batch_tokens,
            ),
        )
        if contexts is None:
            raise TypeError("contexts is None, expected a text for each question")
        names = ("questions", "contexts")
        return self._answer("answer", questions, contexts, options, Table.answers, show_progress, names)

    def fill_mask(
        self,
        texts: _texts.Texts,
        *,
        top_k: int = 5,
        targets: Iterable[str] | None = None,
        max_length: int | None = None,
        batch_size: int = 32,
        max_batch_tokens: int = 16384,
        show_progress: bool = False,
    ) -> Any:
        """Finds what may stand in each ``[MASK]`` (or ``<mask>``) of texts: of each mask a list of FilledToken.

        Args:
            top_k: most tokens for each mask.
            targets: only these words; their scores stay the same.
        """
        words = None if targets is None else _texts.of_strings(_texts.strings(targets, "targets"), "targets")
        options = _native.FillMaskOptions(
            targets=None if words is None else ctypes.pointer(words.struct),
            **counts(top_k=top_k, max_length=max_length, batch_size=batch_size, max_batch_tokens=max_batch_tokens),
        )
        return self._answer("fill_mask", texts, None, options, Table.masks, show_progress, has_pairs=False)

    def classify_images(
        self, images: Any, *, top_k: int = 5, batch_size: int = 32, show_progress: bool = False
    ) -> Any:
        """Finds the likeliest classes of pictures: a list of Label, best first, for each.

        A picture is a file's name or bytes, a PIL image, or an array uint8 ``[height, width, 3]``; one that stands alone
        gives one list.
        """
        options = _native.ClassifyImagesOptions(**counts(top_k=top_k, batch_size=batch_size))
        one = _images.is_one(images)
        pictures = [images] if one else list(images)
        result: list[list[Label]] = []
        with Bar(len(pictures), "classify", _arguments.flag("show_progress", show_progress)) as bar:
            step = int(options.batch_size)
            for first in range(0, max(len(pictures), 1), step):
                part = _images.Part(pictures[first : first + step], first)
                table = self._table("classify_images", part.pointer, ctypes.byref(options))
                result += table.classes()
                bar.add(part.struct.count)
        return result[0] if one else result

    # How functions of the library are called

    @staticmethod
    def _call(function: str, *arguments: Any) -> ctypes.c_void_p:
        result = ctypes.c_void_p()
        _native.check(getattr(_native.library(), function)(*arguments, ctypes.byref(result)))
        return result

    def _table(self, function: str, *arguments: Any) -> Table:
        with self._handle.session() as session:
            return Table(self._call(function, session, *arguments))

    def _answer(
        self,
        function: str,
        texts: Any,
        pairs: Any,
        options: Any,
        read: Callable[[Table], list[T]],
        show_progress: bool,
        names: tuple[str, str] = ("texts", "pairs"),
        has_pairs: bool = True,
    ) -> Any:
        """Answers texts a batch at a time, so that Ctrl-C ends the work between two."""
        one, given, seconds = texts_and_pairs(texts, pairs, names)
        result: list[T] = []
        with Bar(len(given), function, _arguments.flag("show_progress", show_progress)) as bar:
            step = int(options.batch_size)
            for first in range(0, max(len(given), 1), step):
                part = _texts.of_strings(given[first : first + step], names[0], first)
                arguments = [part.pointer]
                if has_pairs:
                    other = None if seconds is None else seconds[first : first + step]
                    second = None if other is None else _texts.of_strings(other, names[1], first)
                    arguments.append(None if second is None else second.pointer)
                result += read(self._table(function, *arguments, ctypes.byref(options)))
                bar.add(part.struct.count)
        return result[0] if one else result


def _stride(stride: Any) -> int:
    number = _arguments.integer("stride", stride, 0)
    return -1 if stride is not None and number == 0 else number


def texts_and_pairs(texts: Any, pairs: Any, names: tuple[str, str] = ("texts", "pairs")) -> tuple[bool, list[str], Any]:
    """Whether there is one text, the texts, and the second text of each, if there are any."""
    one = isinstance(texts, str)
    if pairs is not None and isinstance(pairs, str) != one:
        raise TypeError(f"{names[0]} and {names[1]} are a str and an iterable, expected two of one kind")
    given = [texts] if one else _texts.strings(texts, names[0])
    if pairs is None:
        return one, given, None
    seconds = [pairs] if one else _texts.strings(pairs, names[1])
    if len(seconds) != len(given):
        raise ValueError(f"{names[1]} has {len(seconds)} texts, expected {len(given)} as {names[0]} has")
    return one, given, seconds
