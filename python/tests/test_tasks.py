"""Answers of models with heads, pictures, text that is made, calibration: on the tiny models of tests/golden."""

from __future__ import annotations

import json
import pathlib
import warnings

import numpy as np
import pytest

import octavo

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def vit() -> octavo.Model:
    return octavo.Model(ROOT / "models/pretrained/deit-tiny-patch16-224-gated", threads=2)


def test_pictures_of_all_kinds_have_the_same_classes(vit: octavo.Model) -> None:
    image_module = pytest.importorskip("PIL.Image")
    file = sorted((ROOT / "models/pretrained/pictures").glob("*.jpg"))[0]
    picture = image_module.open(file).convert("RGB")
    (expected,) = vit.classify_images([file], top_k=3)
    assert len(expected) == 3 and expected[0].score >= expected[1].score and expected[0].label
    for one in (str(file), file.read_bytes()):
        assert vit.classify_images(one, top_k=3) == expected
    pixels = vit.classify_images([picture, np.asarray(picture)], top_k=3)
    assert pixels[0] == pixels[1]
    assert vit.encode_images([picture]).shape == (1, vit.embedding_size)
    assert vit.classify_images([]) == []
    with pytest.raises(ValueError, match=r"images\[0\] is an array float64"):
        vit.classify_images(np.zeros((2, 2, 3)))
    with pytest.raises(TypeError, match=r"images\[1\] is int"):
        vit.classify_images([file, 3])
    with pytest.raises(octavo.Error, match=r"images\[0\]"):
        vit.classify_images(b"no picture")


def test_tokens_have_places(model: octavo.Model) -> None:
    text = "Zürich naps"
    tokens = model.tokenize(text)
    assert tokens.tokens[0] == "[CLS]" and tokens.ids.dtype == np.int32
    data = text.encode()
    assert [data[a:b].decode() for a, b in tokens.offsets[1:-1]][-1] == "s" or tokens.tokens[-2].startswith("##")
    assert len(model.tokenize([text, ""])) == 2
    pair = model.tokenize("a", "b")
    assert len(pair.ids) == 5
    with pytest.raises(TypeError, match="texts and pairs"):
        model.tokenize("a", ["b"])
    with pytest.raises(ValueError, match="pairs has 1 texts, expected 2"):
        model.tokenize(["a", "b"], ["c"])


def test_calibration_reports_and_can_be_stopped(tmp_path: pathlib.Path) -> None:
    checkpoint = ROOT / "models/pretrained/all-MiniLM-L6-v2-gated"
    texts = [f"A sentence about {subject}." for subject in "tea cats trains rain music maps bread glass".split()]
    options = {"ablations": False, "top_up": False, "equalize": "none", "rounding": "nearest", "copies": 0}
    heard: list[tuple[str, float]] = []
    output = tmp_path / "small.octavo"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # there are too few samples, which is said
        report = octavo.calibrate(
            checkpoint, texts, output=output, progress=lambda *at: heard.append(at), **options
        )
    assert heard[-1][1] == 1.0 and {"calibrate", "compare"} <= {stage for stage, _ in heard}
    assert "<html" in report._repr_html_() and str(report) in repr(report)
    assert report["samples"] == json.loads(json.dumps(report.figures))["samples"]
    assert octavo.Model(output).encode("a").shape == (384,)
    report.save(tmp_path / "report.html")

    def stop(stage: str, fraction: float) -> None:
        raise KeyboardInterrupt

    other = tmp_path / "stopped.octavo"
    with pytest.raises(KeyboardInterrupt):
        octavo.calibrate(checkpoint, texts, output=other, progress=stop, **options)
    assert not other.exists()
    with pytest.raises(ValueError, match="speed"):
        octavo.calibrate(checkpoint, texts, output=other, speed=3)
    with pytest.raises(ValueError, match="target_cosine is '2'"):
        octavo.calibrate(checkpoint, texts, output=other, target_cosine=2)
    with pytest.raises(ValueError, match="samples is '0'"):
        octavo.calibrate(checkpoint, texts, output=other, samples=0)
    with pytest.raises(TypeError, match=r"texts\[1\] is int"):
        octavo.calibrate(checkpoint, ["a", 3], output=other)
    with pytest.raises(TypeError, match="texts is a str"):
        octavo.calibrate(checkpoint, "text", output=other)
