"""Embeddings: shapes, order, forms of texts, options."""

from __future__ import annotations

import numpy as np
import pytest

import octavo

SENTENCES = [
    "A cat sleeps on the sofa.",
    "",
    "The kitten naps on a couch.",
    "Zürich: ein Käsefondue für zwei, bitte!",
    "Stocks fell " * 40,
    "\ud800 is no character",
]


def test_a_str_gives_a_vector_and_a_list_a_matrix_in_its_order(model: octavo.Model) -> None:
    size = model.embedding_size
    one = model.encode(SENTENCES[0])
    assert one.shape == (size,) and one.dtype == np.float32
    matrix = model.encode(SENTENCES, batch_size=2)
    assert matrix.shape == (len(SENTENCES), size) and matrix.flags.c_contiguous
    for text, row in zip(SENTENCES, matrix):
        assert np.array_equal(model.encode(text), row)
    assert np.array_equal(model.encode(SENTENCES[::-1], max_batch_tokens=50), matrix[::-1])


def test_nothing_gives_an_empty_matrix(model: octavo.Model) -> None:
    assert model.encode([]).shape == (0, model.embedding_size)
    assert model.encode([], output="tokens") == []
    assert model.encode([], precision="binary").shape == (0, model.embedding_size // 8)
    with pytest.raises(ValueError, match="prompt_name|no prompt"):
        model.encode([], prompt_name="nowhere")


def test_any_iterable_of_texts_will_do(model: octavo.Model) -> None:
    expected = model.encode(SENTENCES)
    for texts in (tuple(SENTENCES), iter(SENTENCES), np.array(SENTENCES, object)):
        assert np.array_equal(model.encode(texts), expected)


def test_arrow_arrays_are_read_in_place(model: octavo.Model) -> None:
    pa = pytest.importorskip("pyarrow")
    texts = SENTENCES[:5]
    expected = model.encode(texts)
    for array in (pa.array(texts), pa.array(texts, pa.large_string()), pa.chunked_array([texts[:2], [], texts[2:]])):
        assert np.array_equal(model.encode(array, batch_size=2), expected)
    assert np.array_equal(model.encode(pa.array(["x", *texts, "y"]).slice(1, 5)), expected)
    with pytest.raises(ValueError, match="texts has 1 nulls"):
        model.encode(pa.array(["a", None]))
    with pytest.raises(TypeError, match="texts is a pyarrow array of int64"):
        model.encode(pa.array([1]))


def test_options_do_what_they_say(model: octavo.Model) -> None:
    whole = model.encode(SENTENCES, normalize=False)
    assert np.allclose(model.encode(SENTENCES, normalize=False, truncate_dim=8), whole[:, :8])
    unit = model.encode(SENTENCES)
    assert np.allclose(np.linalg.norm(unit, axis=1), 1, atol=1e-5)
    assert np.array_equal(model.encode("cat", prompt="A "), model.encode("A cat"))
    assert np.array_equal(model.encode("a b c d e f", max_length=4), model.encode("a b"))
    assert not np.array_equal(model.encode("a cat", pooling="cls"), model.encode("a cat"))
    tokens = model.encode("A cat", output="tokens")
    assert tokens.shape == (len(model.tokenize("A cat").ids), model.info["hidden_size"])
    assert np.array_equal(model.encode_query("a"), model.encode("a"))  # the checkpoint has no prompts
    bits = model.encode(SENTENCES, precision="ubinary")
    assert np.array_equal(np.unpackbits(bits, axis=1), (unit > 0).astype(np.uint8))
    ranges = np.stack([np.full(model.embedding_size, -1), np.full(model.embedding_size, 1)]).astype(np.float32)
    steps = model.encode(SENTENCES, precision="int8", ranges=ranges)
    assert steps.dtype == np.int8 and np.abs(steps - ((unit + 1) / (2 / 255) - 128)).max() <= 1


def test_out_is_filled_and_returned(model: octavo.Model) -> None:
    out = np.zeros((3, model.embedding_size), np.float32)
    assert model.encode(SENTENCES[:3], out=out) is out
    assert np.array_equal(out, model.encode(SENTENCES[:3]))
    with pytest.raises(ValueError, match="out is float32 of shape"):
        model.encode(SENTENCES, out=out)
    with pytest.raises(TypeError, match="out is list"):
        model.encode(SENTENCES, out=[])


def test_similarity_is_the_checkpoints(model: octavo.Model) -> None:
    vectors = model.encode(SENTENCES[:3], normalize=False)
    found = model.similarity(vectors, vectors)
    assert found.shape == (3, 3) and np.allclose(np.diag(found), 1, atol=1e-5)
    with pytest.raises(ValueError, match="a and b"):
        model.similarity(vectors, vectors[:, :3])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"texts": 3}, TypeError, "texts is int"),
        ({"texts": b"a"}, TypeError, "texts is bytes"),
        ({"texts": ["a", None]}, TypeError, r"texts\[1\] is NoneType"),
        ({"texts": "a", "truncate_dim": 0}, ValueError, "truncate_dim is 0"),
        ({"texts": "a", "truncate_dim": 10**6}, ValueError, "truncate_dim is 1000000"),
        ({"texts": "a", "truncate_dim": 1.5}, TypeError, "truncate_dim is 1.5"),
        ({"texts": "a", "pooling": "middle"}, ValueError, "pooling is 'middle'"),
        ({"texts": "a", "normalize": 1}, TypeError, "normalize is 1"),
        ({"texts": "a", "max_length": 10**6}, ValueError, "max_length is 1000000"),
        ({"texts": "a", "batch_size": 0}, ValueError, "batch_size is 0"),
        ({"texts": "a", "max_batch_tokens": "x"}, TypeError, "max_batch_tokens is 'x'"),
        ({"texts": "a", "precision": "int4"}, ValueError, "precision is 'int4'"),
        ({"texts": "a", "output": "tokens", "precision": "int8"}, ValueError, "precision, ranges and out"),
        ({"texts": "a", "output": "tokens", "normalize": True}, ValueError, "normalize"),
        ({"texts": "a", "prompt": "a", "prompt_name": "b"}, ValueError, "prompt and prompt_name"),
        ({"texts": "a", "ranges": [[0], [1]]}, ValueError, "ranges"),
        ({"texts": "a", "colour": 1}, TypeError, "colour"),
    ],
)
def test_a_bad_argument_is_named(model: octavo.Model, options: dict, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        model.encode(**options)


def test_what_a_model_cannot_do_is_an_error_of_octavo(model: octavo.Model, tmp_path: object) -> None:
    for call in (
        lambda: model.classify("a"),
        lambda: model.tag(["a"]),
        lambda: model.answer("a", "b"),
        lambda: model.fill_mask("a"),
        lambda: model.rank("a", ["b"]),
        lambda: model.rank("a", []),
        lambda: model.generate("a"),
        lambda: model.perplexity("a"),
        lambda: model.encode("a", output="sparse"),
        lambda: model.encode_images([np.zeros((4, 4, 3), np.uint8)]),
        lambda: octavo.Model(__file__),
    ):
        with pytest.raises(octavo.Error):
            call()
    with pytest.raises(FileNotFoundError, match="nowhere.octavo: no such file"):
        octavo.Model("nowhere.octavo")
    with pytest.raises(ValueError, match="isa is 'sse'"):
        octavo.Model(model._path, isa="sse")
    with pytest.raises(ValueError, match="threads is 0"):
        octavo.Model(model._path, threads=0)
    with pytest.raises(TypeError, match="path is int"):
        octavo.Model(3)  # type: ignore[arg-type]
