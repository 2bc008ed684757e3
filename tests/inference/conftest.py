"""Models for the built-in services: real small ones that packages carry, and tiny ones built like the large ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from huggingface_hub import constants

from mixpeek_dagster.models.cache import adopt_folders
from mixpeek_dagster.models.packaged import install_packaged_models
from tests.inference.checkpoints import write_checkpoints


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with all of them."""
    folder = tmp_path_factory.mktemp("models")
    install_packaged_models(folder)
    write_checkpoints(folder)
    adopt_folders(folder)
    return folder


@pytest.fixture(autouse=True)
def _models(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
