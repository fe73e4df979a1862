"""Models: texts and pictures in, vectors and answers out."""

from __future__ import annotations

import ctypes
import json
import os
from typing import Any, Iterable, Iterator, Sequence

import numpy as np

from . import _arguments, _native, _texts
from ._answers import Answers, texts_and_pairs
from ._embedding import EmbedSettings, Embedder, similarity
from ._fingerprint import fingerprint
from ._generation import generate
from ._sessions import Handle
from .errors import Error
from .results import Perplexity, Table

Array = np.ndarray[Any, Any]


class Model(Answers):
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
        return reopen, (self._path, self._threads or None, self._isa, self._mmap, fingerprint(self._path))

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
        batch_size: int = 128,
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
            batch_size: most texts in a batch, which changes no vector. Ctrl-C ends the work between two batches.
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
            pseudo=int(_arguments.flag("pseudo", pseudo)),
            seed=_arguments.integer("seed", seed, 0, 2**63 - 1),
            **_arguments.counts(stride=stride, batch_size=batch_size, max_batch_tokens=max_batch_tokens),
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
        options = _native.TokenizeOptions(**_arguments.counts(max_length=max_length))
        one, given, seconds = texts_and_pairs(texts, pairs)
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



def reopen(path: str, threads: int | None, isa: str | None, mmap: bool, expected: str) -> Model:
    """Opens a model again, in another process: what unpickling does. A file that has changed is refused."""
    found = fingerprint(path)
    if found != expected:
        raise Error(f"{path}: is another file than before, its SHA-256 is {found}, expected {expected}")
    return Model(path, threads=threads, isa=isa, mmap=mmap)
