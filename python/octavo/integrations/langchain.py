"""LangChain's ``Embeddings``."""

from __future__ import annotations

from typing import Any

from ._vectors import ModelOrPath, Vectors

try:
    from langchain_core.embeddings import Embeddings
except ImportError as error:
    raise ImportError("octavo.integrations.langchain needs langchain-core: pip install langchain-core") from error


class OctavoEmbeddings(Embeddings):
    """Embeds for LangChain's vector stores and retrievers.

    store = InMemoryVectorStore(OctavoEmbeddings("minilm.octavo"))
    """

    def __init__(self, model: ModelOrPath, **options: Any) -> None:
        """Opens a model.

        Args:
            model: a ``.octavo`` file, a checkpoint directory, or an ``octavo.Model``.
            options: ``threads``, ``isa``, ``mmap`` of ``octavo.Model``; ``pooling``, ``normalize``, ``truncate_dim``,
                ``max_length``, ``batch_size``, ``max_batch_tokens`` of its ``encode``; ``query_prompt`` and
                ``document_prompt`` in place of the checkpoint's.
        """
        self._vectors = Vectors(model, options)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return self._vectors.documents(texts).tolist()  # type: ignore[no-any-return]

    def embed_query(self, text: str) -> list[float]:
        return self._vectors.query(text)
