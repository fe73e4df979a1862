"""What frameworks of search ask of a model: vectors of documents and of queries."""

from __future__ import annotations

import os
from typing import Any, Union

import numpy as np

from ..model import Model

Array = np.ndarray[Any, Any]
ModelOrPath = Union[str, "os.PathLike[str]", Model]

_OF_MODEL = ("threads", "isa", "mmap")
_OF_ENCODE = ("pooling", "normalize", "truncate_dim", "max_length", "batch_size", "max_batch_tokens")
_PROMPTS = ("query_prompt", "document_prompt")
OPTIONS = (*_OF_MODEL, *_OF_ENCODE, *_PROMPTS)


def open_model(model: ModelOrPath, **options: Any) -> Model:
    """The model, opened if it is a path; ``options`` are of ``octavo.Model``."""
    if not isinstance(model, Model):
        return Model(model, **options)
    for name, value in options.items():
        if value not in (None, False):
            raise ValueError(f"{name} has no effect on a model that is open")
    return model


def check_names(options: dict[str, Any]) -> None:
    for name in options:
        if name not in OPTIONS:
            raise TypeError(f"{name!r} is no option, expected one of {', '.join(OPTIONS)}")


class Vectors:
    """A model and how it embeds.

    Options are ``threads``, ``isa``, ``mmap`` of ``octavo.Model``; ``pooling``, ``normalize``, ``truncate_dim``,
    ``max_length``, ``batch_size``, ``max_batch_tokens`` of its ``encode``; and ``query_prompt`` and ``document_prompt``,
    which stand before queries and documents in place of the checkpoint's prompts.
    """

    def __init__(self, model: ModelOrPath, options: dict[str, Any]) -> None:
        check_names(options)
        self.model = open_model(model, **{name: options[name] for name in _OF_MODEL if name in options})
        self._encode = {name: options[name] for name in _OF_ENCODE if options.get(name) is not None}
        self._query_prompt, self._document_prompt = (options.get(name) for name in _PROMPTS)
        self.documents([])  # what is wrong with an option is told here

    def documents(self, texts: list[str], show_progress: bool = False) -> Array:
        """Float32 ``[texts, size]``."""
        result: Array = self.model.encode_document(
            texts, prompt=self._document_prompt, show_progress=show_progress, **self._encode
        )
        return result

    def queries(self, texts: list[str]) -> Array:
        """Float32 ``[texts, size]``."""
        result: Array = self.model.encode_query(texts, prompt=self._query_prompt, **self._encode)
        return result

    def query(self, text: str) -> list[float]:
        return self.queries([text])[0].tolist()  # type: ignore[no-any-return]
