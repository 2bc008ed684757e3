"""Files that a plugin's steps open: from S3, once for all steps, and no larger than allowed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mixpeek_dagster.objects.object_store import ObjectStore
from mixpeek_dagster.plugins.assets import drop_assets
from tests.runs.conftest import World

OPENING = """
import pandas as pd
from shared.plugins import download_asset, open_asset


class Measure:
    def __call__(self, batch: pd.DataFrame) -> pd.DataFrame:
        sizes = []
        for url in batch["data"]:
            with open_asset(url) as path:
                with open(path, "rb") as file:
                    sizes.append(len(file.read()))
        batch["length"] = sizes
        return batch


class Embed:
    def __call__(self, batch: pd.DataFrame) -> pd.DataFrame:
        paths = [download_asset(url, suffix=".bin") for url in batch["data"]]
        assert all(temporary and path.endswith(".bin") for path, temporary in paths)
        sizes = []
        for path, _ in paths:
            with open(path, "rb") as file:
                sizes.append(len(file.read()))
        batch["vector"] = [[float(size), 1.0, 0.5, 0.25] for size in sizes]
        return batch


STEPS = [Measure, Embed]
"""


def test_two_steps_fetch_an_object_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[str] = []
    fetch = ObjectStore.fetch

    def counting(store: ObjectStore, url: str, path: Path, most_bytes: int | None = None) -> None:
        fetched.append(url)
        fetch(store, url, path, most_bytes)

    monkeypatch.setattr(ObjectStore, "fetch", counting)
    batch = world.ingest({f"{number}.png": b"x" * (number + 1) for number in range(12)})
    outcome = world.run(world.collection(world.plugin(OPENING, types='["image"]')), batch)
    assert outcome.success, outcome.error
    assert len(fetched) == len(set(fetched)) == 12
    drop_assets()
    assert not list(world.settings.spool_path.glob("*/assets"))


def test_an_object_that_is_too_large_is_said(make_world: Callable[..., World]) -> None:
    world = make_world(max_asset_bytes=50)
    batch = world.ingest({"a.png": b"x" * 100, "b.png": b"xx"})
    collection = world.collection(world.plugin(OPENING, types='["image"]'))
    outcome = world.run(collection, batch)
    assert world.ledger(collection, batch)["documents_failed"] == 1
    (task,) = world.stores.catalog.tasks.of_run(outcome.run_id)
    assert "100 bytes, more than 50" in str(task.errors)
