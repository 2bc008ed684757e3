"""Models for the built-in services: real small ones that packages carry, and tiny ones built like the large ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from huggingface_hub import constants

from tests.inference.checkpoints import fill_cache


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with all of them."""
    return fill_cache(tmp_path_factory.mktemp("models"))


@pytest.fixture(autouse=True)
def _models(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
