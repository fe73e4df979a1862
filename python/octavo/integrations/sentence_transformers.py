"""``SentenceTransformer`` and ``CrossEncoder`` as sentence-transformers has them: what programs call for vectors, scores.

Arguments mean the same, but are given by name behind the first. What is not here is an error. sentence-transformers
need not be installed, and torch is used only where a tensor is asked for or given.
"""

from __future__ import annotations

import importlib
from typing import Any, Callable, Iterable, Sequence

import numpy as np

from .. import _arguments, _embedding
from ._vectors import ModelOrPath, open_model

Array = np.ndarray[Any, Any]

_SIMILARITIES = ("cosine", "dot", "euclidean", "manhattan")


class SentenceTransformer:
    """Texts to vectors."""

    def __init__(
        self,
        model_name_or_path: ModelOrPath,
        *,
        device: Any = None,
        prompts: dict[str, str] | None = None,
        default_prompt_name: str | None = None,
        similarity_fn_name: str | None = None,
        truncate_dim: int | None = None,
        threads: int | None = None,
        isa: str | None = None,
        mmap: bool = False,
    ) -> None:
        """Opens a model.

        Args:
            model_name_or_path: a ``.octavo`` file, a checkpoint directory, or an ``octavo.Model``; nothing is fetched.
            device: ``"cpu"`` or None.
            prompts: in place of, or beside, those of the checkpoint.
            threads, isa, mmap: of ``octavo.Model``.
        """
        _require_cpu(device)
        self.model = open_model(model_name_or_path, threads=threads, isa=isa, mmap=mmap)
        info = self.model.info
        self.prompts: dict[str, str] = {"query": "", "document": "", **info["prompts"], **(prompts or {})}
        self.default_prompt_name: str | None = default_prompt_name or info["default_prompt_name"] or None
        if self.default_prompt_name is not None:
            self._prompt(None, self.default_prompt_name)
        self.similarity_fn_name = similarity_fn_name or str(info["similarity"])
        self.truncate_dim = truncate_dim
        self.max_seq_length = int(info["max_length"])
        self.model_card_data = _NoModelCard()

    @property
    def similarity_fn_name(self) -> str:
        """``"cosine"``, ``"dot"``, ``"euclidean"`` or ``"manhattan"``."""
        return self._similarity

    @similarity_fn_name.setter
    def similarity_fn_name(self, value: str) -> None:
        _arguments.choice("similarity_fn_name", value, _SIMILARITIES)
        self._similarity = value

    def encode(
        self,
        inputs: str | Iterable[str],
        *,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        output_value: str = "sentence_embedding",
        precision: str = "float32",
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        device: Any = None,
        normalize_embeddings: bool = False,
        truncate_dim: int | None = None,
    ) -> Any:
        """Embeds texts: ``[size]`` of a str, ``[texts, size]`` of others; ``[0, size]`` of nothing.

        ``output_value`` is ``"sentence_embedding"``; all else is as in sentence-transformers.
        """
        _require_cpu(device)
        if output_value != "sentence_embedding":
            raise ValueError(f"output_value is {output_value!r}, expected 'sentence_embedding'")
        one, texts = isinstance(inputs, str), [inputs] if isinstance(inputs, str) else inputs
        size = self.truncate_dim if truncate_dim is None else truncate_dim
        # What is kept of an embedding is as the checkpoint's Normalize left it; encode() normalizes what is kept.
        cut = size is not None and not _arguments.flag("normalize_embeddings", normalize_embeddings)
        vectors = self.model.encode(
            texts,
            prompt=self._prompt(prompt, prompt_name),
            batch_size=batch_size,
            show_progress=bool(show_progress_bar),
            precision="float32" if cut else precision,
            normalize=True if _arguments.flag("normalize_embeddings", normalize_embeddings) else None,
            truncate_dim=None if cut else size,
            max_length=self.max_seq_length,
        )
        if cut:
            vectors = vectors[:, : _arguments.integer("truncate_dim", size, 1, self.model.embedding_size)]
            vectors = _embedding.rounded(np.ascontiguousarray(vectors), precision)
        return _converted(vectors[0] if one else vectors, one, convert_to_numpy, convert_to_tensor)

    def encode_query(self, inputs: str | Iterable[str], **options: Any) -> Any:
        """``encode()`` of queries, with the prompt for them."""
        return self.encode(inputs, **self._prompted(options, ("query",)))

    def encode_document(self, inputs: str | Iterable[str], **options: Any) -> Any:
        """``encode()`` of documents, with the prompt for them."""
        return self.encode(inputs, **self._prompted(options, ("document", "passage", "corpus")))

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Compares each row with each, by ``similarity_fn_name``: a tensor when one is given, else an array."""
        found = _embedding.similarity(_array(embeddings1), _array(embeddings2), self._similarity)
        return _like(found, embeddings1, embeddings2)

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Compares each row with the one in the same place."""
        a, b = np.atleast_2d(_array(embeddings1)), np.atleast_2d(_array(embeddings2))
        if a.shape != b.shape:
            raise ValueError(f"embeddings have shapes {list(a.shape)} and {list(b.shape)}, expected the same")
        rows = [_embedding.similarity(x, y, self._similarity)[0, 0] for x, y in zip(a, b)]
        return _like(np.array(rows, np.float32), embeddings1, embeddings2)

    def get_embedding_dimension(self) -> int:
        """How many numbers an embedding has."""
        return self.model.embedding_size if self.truncate_dim is None else self.truncate_dim

    get_sentence_embedding_dimension = get_embedding_dimension

    def get_max_seq_length(self) -> int:
        """Tokens that a text is cut to; set ``max_seq_length`` to change it."""
        return self.max_seq_length

    def tokenize(self, texts: list[str]) -> dict[str, Array]:
        """Gives ``input_ids`` and ``attention_mask``, int64 ``[texts, tokens of the longest]``."""
        if isinstance(texts, str):
            raise TypeError("texts is a str, expected a list of them")
        ids = [tokens.ids for tokens in self.model.tokenize(texts, max_length=self.max_seq_length)]
        shape = (len(ids), max(map(len, ids), default=0))
        result = {
            "input_ids": np.full(shape, self.model.info.get("padding_token", 0), np.int64),
            "attention_mask": np.zeros(shape, np.int64),
        }
        for place, row in enumerate(ids):
            result["input_ids"][place, : len(row)] = row
            result["attention_mask"][place, : len(row)] = 1
        return result

    def _prompt(self, prompt: str | None, name: str | None) -> str:
        """The text that stands before each text."""
        if prompt is not None and name is not None:
            raise ValueError("prompt and prompt_name exclude each other")
        if prompt is not None:
            return prompt
        chosen = self.default_prompt_name if name is None else name
        if chosen is not None and chosen not in self.prompts:
            raise ValueError(f"prompt_name is {chosen!r}, expected one of {', '.join(self.prompts)}")
        return "" if chosen is None else self.prompts[chosen]

    def _prompted(self, options: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
        if options.get("prompt") is not None or options.get("prompt_name") is not None:
            return options
        return {**options, "prompt_name": next((name for name in names if name in self.prompts), None)}


class CrossEncoder:
    """Pairs of texts to scores."""

    def __init__(
        self,
        model_name_or_path: ModelOrPath,
        *,
        num_labels: int | None = None,
        max_length: int | None = None,
        activation_fn: Callable[[Any], Any] | None = None,
        device: Any = None,
        threads: int | None = None,
        isa: str | None = None,
        mmap: bool = False,
    ) -> None:
        """Opens a model.

        Args:
            model_name_or_path: a ``.octavo`` file, a checkpoint directory, or an ``octavo.Model``; nothing is fetched.
            num_labels: must be those of the model.
            activation_fn: a function of tensors, such as ``torch.nn.Identity()``, in place of the checkpoint's.
            threads, isa, mmap: of ``octavo.Model``.
        """
        _require_cpu(device)
        self.model = open_model(model_name_or_path, threads=threads, isa=isa, mmap=mmap)
        info = self.model.info
        if info["task"] != "sequence_classification":
            self.model.classify([])  # says what the model is for
        self.num_labels = int(info["classes"])
        if num_labels not in (None, self.num_labels):
            raise ValueError(f"num_labels is {num_labels}, expected {self.num_labels} as the model has")
        self.activation_fn = activation_fn
        self._function = str(info["pair_function"])
        self.max_seq_length = int(info["max_length"]) if max_length is None else max_length
        self.model_card_data = _NoModelCard()

    def predict(
        self,
        inputs: Any,
        *,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        activation_fn: Callable[[Any], Any] | None = None,
        apply_softmax: bool | None = False,
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        device: Any = None,
    ) -> Any:
        """Scores pairs of texts: float32 ``[pairs]``, or ``[pairs, labels]`` of a model with several; one pair gives one.

        Logits become scores by ``activation_fn``, by default the model's; of several labels then by a softmax, if
        ``apply_softmax`` is true.
        """
        _require_cpu(device)
        if prompt is not None or prompt_name is not None:
            raise ValueError("prompt and prompt_name are not for cross-encoders here, expected None")
        pairs = inputs.tolist() if isinstance(inputs, np.ndarray) else list(inputs)
        one = len(pairs) > 0 and isinstance(pairs[0], str)
        pairs = [pairs] if one else pairs
        for place, pair in enumerate(pairs):
            if isinstance(pair, str) or len(pair) != 2:
                raise ValueError(f"inputs[{place}] is {pair!r}, expected two texts")
        scores = self._logits(pairs, batch_size, bool(show_progress_bar))
        function = self.activation_fn if activation_fn is None else activation_fn
        scores = _activated(scores, self._function) if function is None else _array(function(_tensor(scores)))
        if self.num_labels == 1:
            scores = scores.reshape(len(pairs))
        elif apply_softmax:
            scores = _activated(scores, "softmax")
        return _converted(scores[0] if one else scores, one, convert_to_numpy, convert_to_tensor)

    def rank(
        self,
        query: str,
        documents: Sequence[str],
        *,
        top_k: int | None = None,
        return_documents: bool = False,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        activation_fn: Callable[[Any], Any] | None = None,
        device: Any = None,
    ) -> list[dict[str, Any]]:
        """Orders documents by how well they answer a query: ``corpus_id``, ``score``, if asked ``text``, best first."""
        if self.num_labels != 1:
            raise ValueError(f"the model has {self.num_labels} labels, expected one; predict() scores each")
        scores = self.predict(
            [(query, document) for document in documents],
            batch_size=batch_size,
            show_progress_bar=show_progress_bar,
            activation_fn=activation_fn,
            device=device,
        )
        best = np.argsort(-scores, kind="stable")[:top_k].tolist()
        texts = [{"text": documents[place]} if return_documents else {} for place in best]
        return [{"corpus_id": place, "score": float(scores[place]), **text} for place, text in zip(best, texts)]

    def _logits(self, pairs: list[Any], batch_size: int, show_progress: bool) -> Array:
        answers = self.model.classify(
            [first for first, _ in pairs],
            [second for _, second in pairs],
            function_to_apply="none",
            top_k=self.num_labels,
            max_length=self.max_seq_length,
            batch_size=batch_size,
            show_progress=show_progress,
        )
        logits = np.zeros((len(pairs), self.num_labels), np.float32)
        for row, labels in zip(logits, answers):
            row[[label.id for label in labels]] = [label.score for label in labels]
        return logits


class _NoModelCard:
    """Evaluators of sentence-transformers write their figures into a model's card, too."""

    def set_evaluation_metrics(self, *_: Any) -> None:
        pass


def _require_cpu(device: Any) -> None:
    if device is not None and str(device) != "cpu":
        raise ValueError(f"device is {device!r}, expected 'cpu'")


def _tensor(array: Array) -> Any:
    try:
        return importlib.import_module("torch").from_numpy(array)
    except ImportError as error:
        raise ImportError("tensors, and activation_fn, need torch: pip install torch") from error


def _array(given: Any) -> Array:
    if isinstance(given, (list, tuple)) and given and hasattr(given[0], "detach"):
        return np.stack([_array(row) for row in given])
    return np.asarray(given.detach().cpu() if hasattr(given, "detach") else given, np.float32)


def _like(found: Array, *given: Any) -> Any:
    """A tensor where one was given."""
    rows = [one[0] if isinstance(one, (list, tuple)) and one else one for one in given]
    return _tensor(found) if any(hasattr(row, "detach") for row in rows) else found


def _converted(values: Array, one: bool, to_numpy: bool, to_tensor: bool) -> Any:
    """What was asked for; without numpy and tensor a list of tensors, as sentence-transformers has it."""
    if to_tensor:
        return _tensor(np.asarray(values))
    if to_numpy:
        return values
    return _tensor(np.asarray(values)) if one else [_tensor(np.asarray(row)) for row in values]


def _activated(logits: Array, function: str) -> Array:
    """In double, as the library does."""
    x = logits.astype(np.float64)
    if function == "sigmoid":
        x = 0.5 + 0.5 * np.tanh(x / 2)  # which does not overflow
    elif function == "softmax":
        x = np.exp(x - x.max(axis=1, keepdims=True))
        x /= x.sum(axis=1, keepdims=True)
    return x.astype(np.float32)
