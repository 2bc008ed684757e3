"""What every test may use: a clean environment, and the embedded stores of one home for the whole run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mixpeek_dagster.embedded import EmbeddedStores, open_embedded, stop_embedded


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("MIXPEEK_") or name == "DAGSTER_HOME":
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Home folder of the stores that the run shares."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def embedded(home: Path) -> Iterator[EmbeddedStores]:
    """The running stores of `home`."""
    with open_embedded(home, linger=2) as stores:
        yield stores
    stop_embedded(home)
