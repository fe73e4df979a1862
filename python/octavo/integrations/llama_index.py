"""LlamaIndex's ``BaseEmbedding``."""

from __future__ import annotations

import asyncio
from typing import Any, Optional

from ._vectors import OPTIONS, Vectors

try:
    from llama_index.core.base.embeddings.base import BaseEmbedding
    from llama_index.core.bridge.pydantic import ConfigDict, Field, PrivateAttr
except ImportError as error:
    raise ImportError("octavo.integrations.llama_index needs llama-index-core: pip install llama-index-core") from error


class OctavoEmbedding(BaseEmbedding):
    """Embeds for LlamaIndex.

    index = VectorStoreIndex.from_documents(documents, embed_model=OctavoEmbedding(model_name="minilm.octavo"))
    """

    model_config = ConfigDict(extra="forbid", protected_namespaces=("pydantic_model_",), arbitrary_types_allowed=True)

    model_name: str = Field(description="A .octavo file or a checkpoint directory.")
    threads: Optional[int] = Field(default=None, description="Of each call; by default all CPUs.")
    isa: Optional[str] = Field(default=None, description="The best instruction set to use.")
    mmap: bool = Field(default=False, description="Share the file's pages with other processes.")
    pooling: Optional[str] = Field(default=None, description="In place of the checkpoint's.")
    normalize: Optional[bool] = Field(default=None, description="Divide by the length; by default as the checkpoint.")
    truncate_dim: Optional[int] = Field(default=None, description="Keep the first numbers.")
    max_length: Optional[int] = Field(default=None, description="Tokens that a text is cut to.")
    batch_size: Optional[int] = Field(default=None, description="Most texts in a batch of the model.")
    max_batch_tokens: Optional[int] = Field(default=None, description="Most tokens in such a batch.")
    query_prompt: Optional[str] = Field(default=None, description="In place of the checkpoint's.")
    document_prompt: Optional[str] = Field(default=None, description="In place of the checkpoint's.")
    _vectors: Any = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        super().model_post_init(context)
        self._vectors = Vectors(self.model_name, {name: getattr(self, name) for name in OPTIONS})

    @classmethod
    def class_name(cls) -> str:
        return "OctavoEmbedding"

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._vectors.query(query)  # type: ignore[no-any-return]

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return await asyncio.to_thread(self._get_query_embedding, query)

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embeddings([text])[0]

    async def _aget_text_embedding(self, text: str) -> list[float]:
        return await asyncio.to_thread(self._get_text_embedding, text)

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return await asyncio.to_thread(self._get_text_embeddings, texts)

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return self._vectors.documents(texts).tolist()  # type: ignore[no-any-return]
