"""Chroma's embedding function. Where this module is imported, collections that were made with it open by themselves."""

from __future__ import annotations

import os
from typing import Any

from ._vectors import Vectors, check_names

try:
    from chromadb.api.types import Documents, EmbeddingFunction, Embeddings, Space
    from chromadb.utils.embedding_functions import register_embedding_function
except ImportError as error:
    raise ImportError("octavo.integrations.chroma needs chromadb: pip install chromadb") from error

_SPACES: dict[str, Space] = {"cosine": "cosine", "dot": "ip", "euclidean": "l2"}
_MAY_CHANGE = ("threads", "isa", "mmap", "batch_size", "max_batch_tokens")  # results stay the same


@register_embedding_function
class OctavoEmbeddingFunction(EmbeddingFunction[Documents]):
    """Embeds for Chroma.

    client.create_collection("texts", embedding_function=OctavoEmbeddingFunction("minilm.octavo"))
    """

    def __init__(self, model: str, **options: Any) -> None:
        """Opens a model.

        Args:
            model: a ``.octavo`` file or a checkpoint directory.
            options: ``threads``, ``isa``, ``mmap`` of ``octavo.Model``; ``pooling``, ``normalize``, ``truncate_dim``,
                ``max_length``, ``batch_size``, ``max_batch_tokens`` of its ``encode``; ``query_prompt`` and
                ``document_prompt`` in place of the checkpoint's.
        """
        self._path, self._options = os.fspath(model), options
        self._vectors = Vectors(self._path, options)

    def __call__(self, input: Documents) -> Embeddings:
        return list(self._vectors.documents(list(input)))

    def embed_query(self, input: Documents) -> Embeddings:
        return list(self._vectors.queries(list(input)))

    @staticmethod
    def name() -> str:
        return "octavo"

    def default_space(self) -> Space:
        """As the checkpoint compares vectors."""
        return _SPACES.get(self._vectors.model.info["similarity"], "l2")

    def supported_spaces(self) -> list[Space]:
        return ["cosine", "l2", "ip"]

    def get_config(self) -> dict[str, Any]:
        return {"model": self._path, **self._options}

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> OctavoEmbeddingFunction:
        return OctavoEmbeddingFunction(**config)

    @staticmethod
    def validate_config(config: dict[str, Any]) -> None:
        check_names({name: value for name, value in config.items() if name != "model"})

    def validate_config_update(self, old_config: dict[str, Any], new_config: dict[str, Any]) -> None:
        """Refuses what would make new vectors differ from those that are there."""
        for name in {*old_config, *new_config} - {*_MAY_CHANGE}:
            if old_config.get(name) != new_config.get(name):
                raise ValueError(f"{name} was {old_config.get(name)!r}, and cannot become {new_config.get(name)!r}")
