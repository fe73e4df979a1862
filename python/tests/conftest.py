"""The model that the tests run: the one that ships with the repository, calibrated once."""

from __future__ import annotations

import os
import pathlib

import pytest

import octavo

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """``OCTAVO_TEST_MODEL``, an INT8 file that is there already, or one made of the shipped checkpoint."""
    given = os.environ.get("OCTAVO_TEST_MODEL")
    if given:
        return given
    output = tmp_path_factory.mktemp("models") / "minilm.octavo"
    checkpoint = ROOT / "models/pretrained/all-MiniLM-L6-v2-gated"
    octavo.calibrate(checkpoint, output=output, ablations=False, equalize="smoothquant")
    return str(output)


@pytest.fixture(scope="session")
def model(model_path: str) -> octavo.Model:
    return octavo.Model(model_path, threads=2)
