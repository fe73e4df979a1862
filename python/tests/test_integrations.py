"""Each integration with the package that it is for; skipped, by name, where that is not installed."""

from __future__ import annotations

import asyncio
import json
import os
import pathlib
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import octavo

os.environ.update(HAYSTACK_TELEMETRY_ENABLED="False", ANONYMIZED_TELEMETRY="False", HF_HUB_OFFLINE="1")

TEXTS = [
    "A cat sleeps on the sofa.",
    "The price of tea rose in spring.",
    "Trains to the coast leave every hour.",
    "The kitten naps on a couch.",
    "Bread is baked in the early morning.",
]
QUERY = "A young cat is sleeping."


@pytest.mark.parametrize("name", ["langchain", "llama_index", "haystack", "chroma", "ray", "spark"])
def test_a_package_that_is_missing_is_named(name: str) -> None:
    packages = ("langchain_core", "llama_index", "haystack", "chromadb", "ray", "pyspark")
    code = f"""
import sys
sys.modules.update(dict.fromkeys({packages!r}))  # as if none were there
try:
    import octavo.integrations.{name}
except ImportError as error:
    assert "pip install" in str(error), error
else:
    sys.exit("nothing was refused")
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_langchain(model: octavo.Model, model_path: str) -> None:
    pytest.importorskip("langchain_core")
    from langchain_core.documents import Document
    from langchain_core.vectorstores import InMemoryVectorStore

    from octavo.integrations.langchain import OctavoEmbeddings

    embeddings = OctavoEmbeddings(model_path, threads=1, truncate_dim=128)
    assert embeddings.embed_documents(TEXTS) == model.encode(TEXTS, truncate_dim=128).tolist()
    assert embeddings.embed_query(QUERY) == model.encode(QUERY, truncate_dim=128).tolist()
    store = InMemoryVectorStore(OctavoEmbeddings(model))
    store.add_documents([Document(text, metadata={"place": i}) for i, text in enumerate(TEXTS)])
    assert {found.metadata["place"] for found in store.similarity_search(QUERY, k=2)} == {0, 3}
    assert store.as_retriever(search_kwargs={"k": 1}).invoke("breakfast rolls")[0].page_content == TEXTS[4]
    prompted = OctavoEmbeddings(model, query_prompt="query: ")
    assert prompted.embed_query("tea") == model.encode("query: tea").tolist()
    assert prompted.embed_documents(["tea"]) == [model.encode("tea").tolist()]
    with pytest.raises(TypeError, match="'colour' is no option"):
        OctavoEmbeddings(model, colour=1)
    with pytest.raises(ValueError, match="threads has no effect"):
        OctavoEmbeddings(model, threads=1)
    with pytest.raises(ValueError, match="truncate_dim is 1000000"):
        OctavoEmbeddings(model, truncate_dim=10**6)


def test_llama_index(model: octavo.Model, model_path: str) -> None:
    pytest.importorskip("llama_index.core")
    from llama_index.core import Document, VectorStoreIndex

    from octavo.integrations.llama_index import OctavoEmbedding

    embedding = OctavoEmbedding(model_name=model_path, threads=2, normalize=False)
    assert embedding.get_text_embedding_batch(TEXTS) == model.encode(TEXTS, normalize=False).tolist()
    assert embedding.get_query_embedding(QUERY) == model.encode(QUERY, normalize=False).tolist()
    assert asyncio.run(embedding.aget_query_embedding(QUERY)) == embedding.get_query_embedding(QUERY)
    assert asyncio.run(embedding.aget_text_embedding_batch(TEXTS)) == embedding.get_text_embedding_batch(TEXTS)
    index = VectorStoreIndex.from_documents([Document(text=text) for text in TEXTS], embed_model=embedding)
    found = index.as_retriever(similarity_top_k=2).retrieve(QUERY)
    assert {node.text for node in found} == {TEXTS[0], TEXTS[3]}
    again = OctavoEmbedding.from_dict(json.loads(json.dumps(embedding.to_dict())))
    assert again.get_text_embedding("tea") == embedding.get_text_embedding("tea")
    with pytest.raises(ValueError, match="colour"):
        OctavoEmbedding(model_name=model_path, colour=1)


def test_haystack(model: octavo.Model, model_path: str) -> None:
    pytest.importorskip("haystack")
    from haystack import Document, Pipeline
    from haystack.components.retrievers.in_memory import InMemoryEmbeddingRetriever
    from haystack.components.writers import DocumentWriter
    from haystack.document_stores.in_memory import InMemoryDocumentStore

    from octavo.integrations.haystack import OctavoDocumentEmbedder, OctavoTextEmbedder

    store = InMemoryDocumentStore(embedding_similarity_function="cosine")
    indexing = Pipeline()
    indexing.add_component("embedder", OctavoDocumentEmbedder(model_path, threads=2))
    indexing.add_component("writer", DocumentWriter(store))
    indexing.connect("embedder.documents", "writer.documents")
    indexing.run({"embedder": {"documents": [Document(content=text) for text in TEXTS]}})
    asking = Pipeline()
    asking.add_component("embedder", OctavoTextEmbedder(model_path, threads=2))
    asking.add_component("retriever", InMemoryEmbeddingRetriever(store, top_k=2))
    asking.connect("embedder.embedding", "retriever.query_embedding")
    found = asking.run({"embedder": {"text": QUERY}})["retriever"]["documents"]
    assert {document.content for document in found} == {TEXTS[0], TEXTS[3]}

    given = Document(content="tea", meta={"title": "Drinks", "year": None})
    embedder = OctavoDocumentEmbedder(model_path, prefix="<", suffix=">", meta_fields_to_embed=["title", "year"])
    embedder = OctavoDocumentEmbedder.from_dict(json.loads(json.dumps(embedder.to_dict())))
    (document,) = embedder.run([given])["documents"]
    assert document.embedding == model.encode("<Drinks\ntea>").tolist() and given.embedding is None
    text_embedder = OctavoTextEmbedder.from_dict(OctavoTextEmbedder(model_path, normalize=False).to_dict())
    assert text_embedder.run("tea")["embedding"] == model.encode("tea", normalize=False).tolist()
    with pytest.raises(TypeError, match="expected a str"):
        text_embedder.run([given])
    with pytest.raises(TypeError, match="'colour' is no option"):
        OctavoTextEmbedder(model_path, colour=1)


def test_chroma(model: octavo.Model, model_path: str, tmp_path: pathlib.Path) -> None:
    chromadb = pytest.importorskip("chromadb")
    from octavo.integrations.chroma import OctavoEmbeddingFunction

    function = OctavoEmbeddingFunction(model_path, threads=2)
    assert np.array_equal(np.stack(function(TEXTS)), model.encode(TEXTS))
    client = chromadb.PersistentClient(str(tmp_path))
    collection = client.create_collection("texts", embedding_function=function)
    collection.add(ids=[str(i) for i in range(len(TEXTS))], documents=TEXTS)
    client.clear_system_cache()
    again = chromadb.PersistentClient(str(tmp_path)).get_collection("texts")  # the function is in its configuration
    assert set(again.query(query_texts=[QUERY], n_results=2)["ids"][0]) == {"0", "3"}
    with pytest.raises(ValueError, match="normalize was None"):
        function.validate_config_update(function.get_config(), {**function.get_config(), "normalize": False})
    with pytest.raises(TypeError, match="'colour' is no option"):
        OctavoEmbeddingFunction(model_path, colour=1)


def test_the_shims_need_numpy_alone(model: octavo.Model, model_path: str) -> None:
    code = f"""
import sys
sys.modules.update(dict.fromkeys(["torch", "sentence_transformers"]))
from octavo.integrations.sentence_transformers import SentenceTransformer
model = SentenceTransformer({model_path!r}, threads=1)
vectors = model.encode(["A cat sleeps.", "The kitten naps on a couch.", "Stocks fell."], normalize_embeddings=True)
closeness = model.similarity(vectors, vectors)
assert closeness[0, 1] > 0.5 > closeness[0, 2]
try:
    model.encode("a", convert_to_tensor=True)
except ImportError as error:
    assert "pip install torch" in str(error)
else:
    sys.exit("no torch, but a tensor")
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_the_shims_do_not_have_is_refused(model: octavo.Model) -> None:
    from octavo.integrations.sentence_transformers import CrossEncoder, SentenceTransformer

    shim = SentenceTransformer(model, device="cpu")
    for options, error, message in (
        ({"output_value": "token_embeddings"}, ValueError, "output_value is 'token_embeddings'"),
        ({"device": "cuda"}, ValueError, "device is 'cuda'"),
        ({"prompt_name": "nowhere"}, ValueError, "prompt_name is 'nowhere', expected one of query, document"),
        ({"prompt_name": "query", "prompt": "a"}, ValueError, "prompt and prompt_name"),
        ({"precision": "int4"}, ValueError, "precision is 'int4'"),
        ({"chunk_size": 3}, TypeError, "chunk_size"),
        ({"batch_size": 0}, ValueError, "batch_size is 0"),
        ({"truncate_dim": 10**6}, ValueError, "truncate_dim is 1000000"),
    ):
        with pytest.raises(error, match=message):
            shim.encode(["a"], **options)
    with pytest.raises(TypeError, match="trust_remote_code"):
        SentenceTransformer(model, trust_remote_code=True)
    with pytest.raises(ValueError, match="prompt_name is 'nowhere'"):
        SentenceTransformer(model, default_prompt_name="nowhere")
    with pytest.raises(octavo.Error, match="class"):
        CrossEncoder(model)


@pytest.fixture(scope="module")
def bert_folder(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Saves small BERTs of random weights: a function of the class of transformers and what its config has."""
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("torch").manual_seed(1)
    folder = tmp_path_factory.mktemp("bert")
    words = "[PAD] [UNK] [CLS] [SEP] [MASK] a the cat kitten tea train is was on sofa couch price query : , . ?".split()
    letters = [chr(c) for c in range(97, 123)]
    (folder / "vocab.txt").write_text("\n".join([*words, *letters, *("##" + letter for letter in letters)]))

    def save(kind: str, **options: Any) -> str:
        path = str(folder / f"{kind}{len(os.listdir(folder))}")
        config = transformers.BertConfig(
            vocab_size=100, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
            max_position_embeddings=64, initializer_range=0.5, **options,
        )  # fmt: skip
        getattr(transformers, kind)(config).save_pretrained(path)
        transformers.BertTokenizerFast(vocab=str(folder / "vocab.txt"), model_max_length=64).save_pretrained(path)
        return path

    return save


def test_the_sentence_transformer_answers_as_the_real_one(bert_folder: Any, tmp_path: pathlib.Path) -> None:
    theirs_module = pytest.importorskip("sentence_transformers")
    import torch
    from sentence_transformers.sentence_transformer import modules

    from octavo.integrations.sentence_transformers import SentenceTransformer

    transformer = modules.Transformer(bert_folder("BertModel"), max_seq_length=24)
    pooling = modules.Pooling(transformer.get_embedding_dimension(), pooling_mode="mean")
    prompts = {"query": "query : ", "passage": "the "}
    theirs = theirs_module.SentenceTransformer(
        modules=[transformer, pooling, modules.Normalize()], prompts=prompts, default_prompt_name="passage"
    )
    theirs.save(str(tmp_path))
    theirs, ours = theirs_module.SentenceTransformer(str(tmp_path)), SentenceTransformer(str(tmp_path), threads=1)
    texts = [*TEXTS, "", "the cat " * 40]
    assert ours.max_seq_length == theirs.max_seq_length == 24 and ours.prompts == theirs.prompts
    assert ours.get_sentence_embedding_dimension() == theirs.get_embedding_dimension() == 32
    assert ours.similarity_fn_name == theirs.similarity_fn_name

    for options in (
        {},
        {"prompt_name": "query"},
        {"prompt": ""},
        {"prompt": "a train "},
        {"truncate_dim": 8},
        {"truncate_dim": 8, "normalize_embeddings": True},
        {"batch_size": 2, "show_progress_bar": False, "device": "cpu"},
        {"convert_to_tensor": True},
        {"convert_to_numpy": False},
    ):
        for given in (texts, "the kitten"):
            mine, other = ours.encode(given, **options), theirs.encode(given, **options)
            assert type(mine) is type(other), options
            for a, b in zip(mine, other) if isinstance(mine, list) else [(mine, other)]:
                assert type(a) is type(b) and a.shape == b.shape and a.dtype == b.dtype, options
                np.testing.assert_allclose(np.asarray(a), np.asarray(b), atol=2e-5, err_msg=str(options))
    for method in ("encode_query", "encode_document"):
        np.testing.assert_allclose(getattr(ours, method)(texts), getattr(theirs, method)(texts), atol=2e-5)
    for precision, size in (("int8", None), ("uint8", 8), ("binary", None), ("ubinary", 16)):
        mine, other = (one.encode(texts, precision=precision, truncate_dim=size) for one in (ours, theirs))
        assert mine.dtype == other.dtype and mine.shape == other.shape and np.mean(mine != other) < 0.02
    mine, other = ours.tokenize(texts), theirs.tokenize(texts)
    for key in mine:
        assert np.array_equal(mine[key], other[key].numpy())
    for one in (ours, theirs):
        one.max_seq_length = 12
    np.testing.assert_allclose(ours.encode(texts), theirs.encode(texts), atol=2e-5)

    a, b = ours.encode(texts, convert_to_tensor=True), ours.encode(texts[::-1], convert_to_tensor=True)
    for name in ("cosine", "dot", "euclidean", "manhattan"):
        ours.similarity_fn_name = theirs.similarity_fn_name = name
        for method in ("similarity", "similarity_pairwise"):
            mine, other = getattr(ours, method)(a, b), getattr(theirs, method)(a, b)
            assert type(mine) is torch.Tensor
            np.testing.assert_allclose(mine, other, atol=1e-4)
            np.testing.assert_allclose(getattr(ours, method)(a.numpy(), b.numpy()), other, atol=1e-4)


def test_search_and_an_evaluator_of_sentence_transformers_take_the_shim(model: octavo.Model) -> None:
    theirs_module = pytest.importorskip("sentence_transformers")
    from sentence_transformers.sentence_transformer.evaluation import EmbeddingSimilarityEvaluator

    from octavo.integrations.sentence_transformers import SentenceTransformer

    shim = SentenceTransformer(model)
    corpus, query = shim.encode(TEXTS, convert_to_tensor=True), shim.encode_query(QUERY, convert_to_tensor=True)
    (hits,) = theirs_module.util.semantic_search(query, corpus, top_k=2)
    assert {hit["corpus_id"] for hit in hits} == {0, 3}
    evaluator = EmbeddingSimilarityEvaluator(TEXTS[:3], [TEXTS[3], "Tea got dearer.", "Bread is baked."], [1, 0.8, 0])
    assert evaluator(shim)["spearman_cosine"] > 0.4


def test_the_cross_encoder_answers_as_the_real_one(bert_folder: Any, tmp_path: pathlib.Path) -> None:
    theirs_module = pytest.importorskip("sentence_transformers")
    import torch
    from sentence_transformers.cross_encoder.evaluation import CrossEncoderCorrelationEvaluator

    from octavo.integrations.sentence_transformers import CrossEncoder

    pairs = [(QUERY, text) for text in TEXTS] + [("a cat", "the cat " * 40)]
    for labels, activation in ((1, None), (1, "torch.nn.modules.linear.Identity"), (3, None)):
        path = bert_folder("BertForSequenceClassification", num_labels=labels)
        if activation:
            config = json.loads(pathlib.Path(path, "config.json").read_text())
            config["sentence_transformers"] = {"activation_fn": activation, "version": "5.0.0"}
            pathlib.Path(path, "config.json").write_text(json.dumps(config))
        theirs, ours = theirs_module.CrossEncoder(path), CrossEncoder(path, threads=1, num_labels=labels)
        assert ours.num_labels == theirs.num_labels
        for options in (
            {},
            {"apply_softmax": True},
            {"activation_fn": torch.nn.Identity()},
            {"activation_fn": torch.nn.Sigmoid(), "apply_softmax": True},
            {"convert_to_tensor": True},
            {"convert_to_numpy": False, "batch_size": 2},
        ):
            for given in (pairs, list(pairs[0]), np.array(pairs)):
                mine, other = ours.predict(given, **options), theirs.predict(given, **options)
                assert type(mine) is type(other), options
                for a, b in zip(mine, other) if isinstance(mine, list) else [(mine, other)]:
                    assert type(a) is type(b) and a.shape == b.shape and a.dtype == b.dtype, options
                    np.testing.assert_allclose(np.asarray(a), np.asarray(b), atol=2e-4, err_msg=str(options))
        if labels == 1:
            mine = ours.rank(QUERY, TEXTS, top_k=3, return_documents=True)
            other = theirs.rank(QUERY, TEXTS, top_k=3, return_documents=True)
            assert [one["corpus_id"] for one in mine] == [one["corpus_id"] for one in other]
            assert [one["text"] for one in mine] == [one["text"] for one in other]
            np.testing.assert_allclose([one["score"] for one in mine], [one["score"] for one in other], atol=2e-4)
            own = octavo.Model(path, threads=1).rank(QUERY, TEXTS)
            np.testing.assert_allclose([one["score"] for one in mine], [one.score for one in own[:3]], rtol=1e-6)
            evaluator = CrossEncoderCorrelationEvaluator(pairs, [0.9, 0.1, 0.2, 1.0, 0.0, 0.5])
            assert evaluator(ours)["pearson"] == pytest.approx(evaluator(theirs)["pearson"], abs=1e-3)
        else:
            with pytest.raises(ValueError, match="3 labels"):
                ours.rank(QUERY, TEXTS)
    with pytest.raises(ValueError, match=r"inputs\[1\] is 'b'"):
        ours.predict([["a", "b"], "b"])
    with pytest.raises(ValueError, match="num_labels is 2"):
        CrossEncoder(path, num_labels=2)
    with pytest.raises(ValueError, match="prompt"):
        ours.predict(pairs, prompt="a")
