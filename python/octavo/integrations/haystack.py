"""Haystack's components that embed texts and documents."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any, Optional

from ._vectors import Vectors, check_names

try:
    from haystack import Document, component, default_from_dict, default_to_dict
except ImportError as error:
    raise ImportError("octavo.integrations.haystack needs haystack-ai: pip install haystack-ai") from error


class _Embedder:
    """What both have in common. A pipeline that is saved holds the model's path and options.

    Their decorator makes another class of each, for which super() does not work.
    """

    def __init__(self, model: str, prefix: str, suffix: str, options: dict[str, Any]) -> None:
        check_names(options)
        self.model, self.prefix, self.suffix, self.options = os.fspath(model), prefix, suffix, options
        self._vectors: Optional[Vectors] = None

    def warm_up(self) -> None:
        """Opens the model; ``run`` does so where nobody did."""
        if self._vectors is None:
            self._vectors = Vectors(self.model, self.options)

    def _open(self) -> Vectors:
        self.warm_up()
        assert self._vectors is not None
        return self._vectors


@component
class OctavoTextEmbedder(_Embedder):
    """Embeds a query.

    Args:
        model: a ``.octavo`` file or a checkpoint directory.
        prefix, suffix: stand before and behind each text, within the checkpoint's prompt.
        options: ``threads``, ``isa``, ``mmap`` of ``octavo.Model``; ``pooling``, ``normalize``, ``truncate_dim``,
            ``max_length``, ``batch_size``, ``max_batch_tokens`` of its ``encode``; ``query_prompt`` and
            ``document_prompt`` in place of the checkpoint's.
    """

    def __init__(self, model: str, prefix: str = "", suffix: str = "", **options: Any) -> None:
        _Embedder.__init__(self, model, prefix, suffix, options)

    def to_dict(self) -> dict[str, Any]:
        settings = {"model": self.model, "prefix": self.prefix, "suffix": self.suffix, **self.options}
        return dict(default_to_dict(self, **settings))

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> OctavoTextEmbedder:
        made: OctavoTextEmbedder = default_from_dict(cls, data)
        return made

    @component.output_types(embedding=list[float], meta=dict[str, Any])
    def run(self, text: str) -> dict[str, Any]:
        """Gives the query's ``embedding``, and ``meta`` with the model's name."""
        if not isinstance(text, str):
            raise TypeError(f"text is {type(text).__name__}, expected a str; documents are for OctavoDocumentEmbedder")
        vectors = self._open()
        return {"embedding": vectors.query(self.prefix + text + self.suffix), "meta": {"model": vectors.model.name}}


@component
class OctavoDocumentEmbedder(_Embedder):
    """Embeds documents, with fields of their meta.

    Args:
        meta_fields_to_embed: fields that stand before a document's content, each followed by ``embedding_separator``.
        progress_bar: show one, where tqdm is installed.

    All others are those of ``OctavoTextEmbedder``.
    """

    def __init__(
        self,
        model: str,
        prefix: str = "",
        suffix: str = "",
        meta_fields_to_embed: Optional[list[str]] = None,
        embedding_separator: str = "\n",
        progress_bar: bool = False,
        **options: Any,
    ) -> None:
        _Embedder.__init__(self, model, prefix, suffix, options)
        self.meta_fields_to_embed = meta_fields_to_embed or []
        self.embedding_separator, self.progress_bar = embedding_separator, progress_bar

    def to_dict(self) -> dict[str, Any]:
        settings = {
            "model": self.model,
            "prefix": self.prefix,
            "suffix": self.suffix,
            "meta_fields_to_embed": self.meta_fields_to_embed,
            "embedding_separator": self.embedding_separator,
            "progress_bar": self.progress_bar,
            **self.options,
        }
        return dict(default_to_dict(self, **settings))

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> OctavoDocumentEmbedder:
        made: OctavoDocumentEmbedder = default_from_dict(cls, data)
        return made

    def _text(self, document: Document) -> str:
        fields = [document.meta.get(name) for name in self.meta_fields_to_embed]
        parts = [*(str(value) for value in fields if value is not None), document.content or ""]
        return self.prefix + self.embedding_separator.join(parts) + self.suffix

    @component.output_types(documents=list[Document], meta=dict[str, Any])
    def run(self, documents: list[Document]) -> dict[str, Any]:
        """Gives copies of the ``documents`` with their embeddings, and ``meta`` with the model's name."""
        if not isinstance(documents, list) or not all(isinstance(document, Document) for document in documents):
            raise TypeError("documents are no list of Document; a query is for OctavoTextEmbedder")
        vectors = self._open()
        rows = vectors.documents([self._text(document) for document in documents], self.progress_bar).tolist()
        embedded = [replace(document, embedding=row) for document, row in zip(documents, rows)]
        return {"documents": embedded, "meta": {"model": vectors.model.name}}
