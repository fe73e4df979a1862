"""Models: texts and pictures in, vectors and answers out."""

from __future__ import annotations

import ctypes
import json
import os
from typing import Any, Callable, Iterable, Iterator, Sequence, TypeVar

import numpy as np

from . import _arguments, _images, _native, _texts
from ._embedding import EmbedSettings, Embedder, similarity
from ._fingerprint import fingerprint
from ._generation import generate
from ._progress import Bar
from ._sessions import Handle
from .errors import Error
from .results import Answer, Entity, FilledToken, Label, Perplexity, Ranked, Table, Tokens

T = TypeVar("T")
Array = np.ndarray[Any, Any]

_AGGREGATIONS = ("none", "simple", "first", "average", "max")


class Model:
    """A ``.octavo`` file (INT8), or a checkpoint directory, which runs in float32 as the reference.

    A model may be used by any number of threads at once: each call that runs at the same time as another has threads
    and buffers of its own. The GIL is released while the model works. It may be pickled, which keeps its path, its
    options and a hash of the file; used after ``fork``; and shared by processes, whose pages ``mmap`` shares, too.

    What comes of an input never depends on the other inputs, on batches or on threads.

    Where a method takes texts, a ``str`` gives one answer, and a list (any iterable of ``str``, or a pyarrow array of
    strings, which is read in place) a list of answers in the same order.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        threads: int | None = None,
        isa: str | None = None,
        mmap: bool = False,
    ) -> None:
        """Opens a model.

        Args:
            path: a ``.octavo`` file or a checkpoint directory.
            threads: of each call; by default as many as CPU affinity and control groups allow.
            isa: the best instruction set to use, one of those that ``cpu_info()`` lists; by default the best.
            mmap: map the file in place of reading it: processes then share its pages. It must stay as it is.
        """
        if not isinstance(path, (str, os.PathLike)):
            raise TypeError(f"path is {type(path).__name__}, expected a str or a path")
        self._path = os.path.abspath(os.fspath(path))
        self._threads = _arguments.integer("threads", threads, 1, 1024)
        self._isa = _arguments.optional_text("isa", isa)
        self._mmap = _arguments.flag("mmap", mmap)
        self._handle = Handle(self._path, self._threads, self._isa, self._mmap)
        self._info: dict[str, Any] = json.loads(self._handle.info())
        self._embedder = Embedder(self._handle, self._info)

    def __repr__(self) -> str:
        return f"octavo.Model({self._path!r}): {self.name}, {self._info['family']}, {self._info['runs']}"

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (self._path, self._threads or None, self._isa, self._mmap, fingerprint(self._path))

    @property
    def info(self) -> dict[str, Any]:
        """Facts: name, family, sizes, limits, task, labels, prompts, what runs, warnings about the checkpoint."""
        return json.loads(json.dumps(self._info))  # type: ignore[no-any-return]

    @property
    def name(self) -> str:
        """The name of the checkpoint."""
        return str(self._info["name"])

    @property
    def labels(self) -> list[str]:
        """The names of the classes; empty where the checkpoint has none."""
        return list(self._info["labels"])

    @property
    def embedding_size(self) -> int:
        """How many numbers an embedding has."""
        return int(self._info["embedding_size"])

    # Embeddings

    def encode(
        self,
        texts: _texts.Texts,
        *,
        prompt: str | None = None,
        prompt_name: str | None = None,
        pooling: str | None = None,
        normalize: bool | None = None,
        truncate_dim: int | None = None,
        max_length: int | None = None,
        precision: str = "float32",
        ranges: Array | None = None,
        output: str = "embedding",
        out: Array | None = None,
        batch_size: int = 32,
        max_batch_tokens: int = 16384,
        show_progress: bool = False,
    ) -> Any:
        """Embeds texts: float32 ``[size]`` of a str, ``[texts, size]`` of others.

        Args:
            texts: a str, an iterable of them, or a pyarrow array of strings.
            prompt: stands before each text as it is; ``""`` for nothing. By default the checkpoint's default prompt.
            prompt_name: of a prompt of the checkpoint, in place of ``prompt``.
            pooling: ``"mean"``, ``"cls"``, ``"max"``, ``"mean_sqrt_len_tokens"``, ``"weightedmean"``,
                ``"lasttoken"`` or ``"pooler"``; by default as the checkpoint says.
            normalize: divide each embedding by its length; by default as the checkpoint says.
            truncate_dim: keep the first numbers of each embedding.
            max_length: tokens that a text is cut to.
            precision: ``"float32"``, ``"int8"``, ``"uint8"``, ``"binary"`` or ``"ubinary"``, rounded as
                sentence-transformers does.
            ranges: float32 ``[2, size]``, the lowest and the highest number of each column, that int8 and uint8 are
                steps of; by default those of these texts together.
            output: ``"embedding"``; ``"tokens"``, the vector of each token, a matrix for each text; or ``"sparse"``,
                a SparseVector for each text (SPLADE).
            out: a float32 array ``[texts, size]`` that gets the embeddings, and is what is returned.
            batch_size: most texts in a batch. Ctrl-C ends the work between two batches.
            max_batch_tokens: most tokens in a batch of several texts.
            show_progress: show a bar, where tqdm is installed.
        """
        settings = EmbedSettings(
            prompt=prompt,
            prompt_name=prompt_name,
            pooling=pooling,
            normalize=normalize,
            truncate_dim=truncate_dim,
            max_length=max_length,
            batch_size=batch_size,
            max_batch_tokens=max_batch_tokens,
        )
        show = _arguments.flag("show_progress", show_progress)
        return self._embedder.encode(texts, settings, precision, ranges, output, out, show)

    def encode_query(self, texts: _texts.Texts, **options: Any) -> Any:
        """``encode()`` of queries: with the checkpoint's prompt for them, where it has one."""
        return self.encode(texts, **self._with_prompt(options, ("query",)))

    def encode_document(self, texts: _texts.Texts, **options: Any) -> Any:
        """``encode()`` of documents: with the checkpoint's prompt for them, where it has one."""
        return self.encode(texts, **self._with_prompt(options, ("document", "passage", "corpus")))

    def _with_prompt(self, options: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
        if options.get("prompt") is None and options.get("prompt_name") is None:
            for name in names:
                if name in self._info["prompts"]:
                    return {**options, "prompt_name": name}
        return options

    def encode_images(
        self,
        images: Any,
        *,
        pooling: str | None = None,
        normalize: bool | None = None,
        truncate_dim: int | None = None,
        batch_size: int = 32,
        show_progress: bool = False,
    ) -> Array:
        """Embeds pictures: float32 ``[size]`` of one, ``[pictures, size]`` of an iterable.

        A picture is a file's name or bytes, a PIL image, or an array uint8 ``[height, width, 3]``.
        """
        settings = EmbedSettings(
            pooling=pooling, normalize=normalize, truncate_dim=truncate_dim, batch_size=batch_size
        )
        return self._embedder.encode_images(images, settings, _arguments.flag("show_progress", show_progress))

    def similarity(self, a: Array, b: Array) -> Array:
        """Compares each row of ``a`` with each row of ``b`` the way the checkpoint says; more is closer.

        Gives float32 ``[rows of a, rows of b]``; a vector counts as a matrix of one row.
        """
        return similarity(a, b, str(self._info["similarity"]))

    # Answers

    def classify(
        self,
        texts: _texts.Texts,
        pairs: _texts.Texts | None = None,
        *,
        candidates: Iterable[str] | None = None,
        hypothesis: str | None = None,
        multi_label: bool = False,
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
            top_k: most classes; by default one, or all where several may be true at once.
        """
        own = None if candidates is None else _texts.of_strings(_texts.strings(candidates, "candidates"), "candidates")
        options = _native.ClassifyOptions(
            top_k=_arguments.integer("top_k", top_k),
            max_length=_arguments.integer("max_length", max_length),
            candidates=None if own is None else ctypes.pointer(own.struct),
            hypothesis=_native.string(_arguments.optional_text("hypothesis", hypothesis)),
            multi_label=int(_arguments.flag("multi_label", multi_label)),
            **_limits(batch_size, max_batch_tokens),
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
            max_length=_arguments.integer("max_length", max_length), **_limits(batch_size, max_batch_tokens)
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
            max_length=_arguments.integer("max_length", max_length),
            stride=_stride(stride),
            **_limits(batch_size, max_batch_tokens),
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
            top_k=_arguments.integer("top_k", top_k),
            max_answer_length=_arguments.integer("max_answer_length", max_answer_length),
            impossible=int(_arguments.flag("impossible", impossible)),
            max_length=_arguments.integer("max_length", max_length),
            stride=_stride(stride),
            **_limits(batch_size, max_batch_tokens),
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
            top_k=_arguments.integer("top_k", top_k),
            max_length=_arguments.integer("max_length", max_length),
            targets=None if words is None else ctypes.pointer(words.struct),
            **_limits(batch_size, max_batch_tokens),
        )
        return self._answer("fill_mask", texts, None, options, Table.masks, show_progress, has_pairs=False)

    def classify_images(
        self, images: Any, *, top_k: int = 5, batch_size: int = 32, show_progress: bool = False
    ) -> Any:
        """Finds the likeliest classes of pictures: a list of Label, best first, for each.

        A picture is a file's name or bytes, a PIL image, or an array uint8 ``[height, width, 3]``; one that stands alone
        gives one list.
        """
        options = _native.ClassifyImagesOptions(
            top_k=_arguments.integer("top_k", top_k),
            batch_size=_arguments.integer("batch_size", batch_size, default=32),
        )
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

    # Text that is made, and how well it is predicted

    def generate(
        self,
        prompt: str,
        *,
        max_new_tokens: int = 128,
        context: int | None = None,
        temperature: float = 0.0,
        top_k: int | None = None,
        top_p: float | None = None,
        min_p: float | None = None,
        repetition_penalty: float | None = None,
        beams: int = 1,
        seed: int = 0,
        stop: str | Iterable[str] | None = None,
    ) -> Iterator[str]:
        """Continues a prompt: gives each piece of the text, whole characters, as soon as it is certain.

        Closing the iterator ends the work. ``"".join(model.generate(...))`` is the whole text.

        Args:
            max_new_tokens: most tokens to make.
            context: most tokens of prompt and text together; by default as many as the model takes.
            temperature: 0 takes the likeliest token; above, ``top_k``, ``top_p``, ``min_p`` and ``seed`` count.
            repetition_penalty: divides the logits of tokens so far.
            beams: above 1, beam search, whose text comes at the end.
            stop: texts that end the text and are no part of it.
        """
        options = _native.GenerateOptions(
            max_new_tokens=_arguments.integer("max_new_tokens", max_new_tokens, 1, 65536),
            context=_arguments.integer("context", context, 2, 65536),
            temperature=_arguments.real("temperature", temperature, 0.0, 100.0),
            top_k=_arguments.integer("top_k", top_k),
            top_p=_arguments.real("top_p", top_p, 0.0, 1.0),
            min_p=_arguments.real("min_p", min_p, 0.0, 1.0),
            repetition_penalty=_arguments.real("repetition_penalty", repetition_penalty, 0.01, 100.0),
            beams=_arguments.integer("beams", beams, 1, 64),
            seed=_arguments.integer("seed", seed, 0, 2**63 - 1),
        )
        stops = None
        if stop is not None:
            stops = _texts.of_strings([stop] if isinstance(stop, str) else _texts.strings(stop, "stop"), "stop")
            options.stops = ctypes.pointer(stops.struct)
        if not self._info["decoder"]:
            raise Error(f"{self.name} does not predict the next token, expected a decoder such as OPT")
        return generate(self._handle, _arguments.text("prompt", prompt), options, stops)

    def perplexity(
        self,
        text: str,
        *,
        context: int | None = None,
        stride: int | None = None,
        pseudo: bool = False,
        seed: int = 0,
        batch_size: int = 32,
        max_batch_tokens: int = 16384,
    ) -> Perplexity:
        """Tells how well a decoder predicts each token of a text, or another model those that are hidden.

        Args:
            context: tokens of a block; by default the model's limit, at most 512.
            stride: of a decoder, tokens from one block to the next.
            pseudo: of a masked language model, hide each token alone (slow).
            seed: of a masked language model, of the choice of hidden tokens.
        """
        options = _native.PerplexityOptions(
            context=_arguments.integer("context", context, 2),
            stride=_arguments.integer("stride", stride),
            pseudo=int(_arguments.flag("pseudo", pseudo)),
            seed=_arguments.integer("seed", seed, 0, 2**63 - 1),
            **_limits(batch_size, max_batch_tokens),
        )
        found = _native.PerplexityResult()
        given = _native.string(_arguments.text("text", text))
        with self._handle.session() as session:
            _native.check(
                _native.library().perplexity(session, given, ctypes.byref(options), ctypes.byref(found))
            )
        return Perplexity(found.perplexity, found.standard_error, found.tokens, found.blocks, found.top1)

    def tokenize(
        self, texts: _texts.Texts, pairs: _texts.Texts | None = None, *, max_length: int | None = None
    ) -> Any:
        """Gives the tokens that the model sees of each text, or of each pair, special ones included."""
        options = _native.TokenizeOptions(max_length=_arguments.integer("max_length", max_length))
        one, given, seconds = _pairs(texts, pairs)
        table = Table(
            self._call(
                "tokenize",
                self._handle.value,
                _texts.of_strings(given, "texts").pointer,
                None if seconds is None else _texts.of_strings(seconds, "pairs").pointer,
                ctypes.byref(options),
            )
        )
        return table.tokens()[0] if one else table.tokens()

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
        one, given, seconds = _pairs(texts, pairs, names)
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


def _limits(batch_size: Any, max_batch_tokens: Any) -> dict[str, int]:
    return {
        "batch_size": _arguments.integer("batch_size", batch_size, default=32),
        "max_batch_tokens": _arguments.integer("max_batch_tokens", max_batch_tokens, default=16384),
    }


def _stride(stride: Any) -> int:
    number = _arguments.integer("stride", stride, 0)
    return -1 if stride is not None and number == 0 else number


def _pairs(texts: Any, pairs: Any, names: tuple[str, str] = ("texts", "pairs")) -> tuple[bool, list[str], Any]:
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


def _reopen(path: str, threads: int | None, isa: str | None, mmap: bool, expected: str) -> Model:
    """What unpickling does."""
    found = fingerprint(path)
    if found != expected:
        raise Error(f"{path}: is another file than the one that was pickled")
    return Model(path, threads=threads, isa=isa, mmap=mmap)
