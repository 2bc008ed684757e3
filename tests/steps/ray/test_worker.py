"""A worker of a step, called as Ray Data calls it."""

from __future__ import annotations

import pickle
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from mixpeek_dagster.catalog.records import PluginReference
from mixpeek_dagster.errors import NotFound, PipelineError, SettingsError
from mixpeek_dagster.objects.spools import ObjectSpool
from mixpeek_dagster.plugins.loading import load_plugin
from mixpeek_dagster.plugins.request import ExtractorRequest
from mixpeek_dagster.rows.rows import Rows, RowsWriter
from mixpeek_dagster.steps.ray.work import PartReport, StepWork
from mixpeek_dagster.steps.ray.worker import StepWorker
from mixpeek_dagster.stores import Stores
from tests.rows.conftest import source
from tests.runs.conftest import EMBED, World, make_settings, make_world, world

__all__ = ["make_settings", "make_world", "source", "world"]


@pytest.fixture(autouse=True)
def threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have what a worker sets for its own process taken back."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def prefix() -> str:
    return f"_spool/{secrets.token_hex(4)}/col_1"


@pytest.fixture
def work(world: World, prefix: str) -> Callable[..., StepWork]:
    """`work(step="Embed")`: the plugin `plugin` as a worker gets it."""

    def make(core: str = EMBED, **changes: Any) -> StepWork:
        folder = world.plugin(core)
        spec = load_plugin(folder).spec
        linked = PluginReference(name=spec.name, version=spec.version, plugin_id=spec.plugin_id, folder=str(folder))
        values: dict[str, Any] = {
            "plugin": world.stores.plugins.shipped(linked, spec.code_hash, prefix),
            "request": ExtractorRequest.of(parameters={}),
            "dataset_size": 3,
            "step": "Embed",
            "run_id": "run",
            "bucket": world.settings.s3_bucket,
            "source": f"{prefix}/select_rows",
            "target": f"{prefix}/Embed",
            "vectors": frozenset({"vector"}),
            "batch_size": 2,
            "chunk_rows": 2,
            "position_fields": (),
            "asset_cache_bytes": 1000,
        }
        return StepWork(**(values | changes))

    return make


def _spooled(stores: Stores, prefix: str, frame: Any) -> Rows:
    with RowsWriter(ObjectSpool(stores.objects, f"{prefix}/select_rows"), frozenset({"vector"}), 2) as writer:
        writer.append(frame)
    return writer.rows()


def _call(worker: StepWorker, number: int, part: str) -> Any:
    reply = worker(pa.table({"number": [number], "part": [part], "index": [0], "shares": [1]}))
    assert reply["number"].to_pylist() == [number]
    return pickle.loads(reply["result"][0].as_py())


def test_a_part_becomes_parts_of_its_own_and_a_report(
    world: World, work: Callable[..., StepWork], prefix: str, source: Callable[..., Any]
) -> None:
    rows = _spooled(world.stores, prefix, source(3))
    worker = StepWorker(work(), 1)

    reports = [_call(worker, number, part) for number, part in enumerate(rows.parts)]

    assert [type(report) for report in reports] == [PartReport, PartReport]
    assert [report.chunk.rows_out for report in reports] == [2, 1]
    parts = tuple(part for report in reports for part in report.parts)
    made = Rows(ObjectSpool(world.stores.objects, f"{prefix}/Embed"), parts, 3, frozenset({"vector"}))
    assert [length for chunk in made.chunks() for length in chunk["length"]] == [6, 6, 6]


def test_calls_at_once_share_one_processor_that_stays_in_one_thread(
    world: World, work: Callable[..., StepWork], prefix: str, source: Callable[..., Any]
) -> None:
    core = EMBED.replace("import", "import threading\nimport", 1).replace(
        '        batch["vector"]',
        '        batch["where"] = f"{id(self)} {threading.get_ident()}"\n        batch["vector"]',
    )
    rows = _spooled(world.stores, prefix, source(12))
    worker = StepWorker(work(core), 1)

    with ThreadPoolExecutor(3) as callers:
        reports = list(callers.map(lambda given: _call(worker, *given), enumerate(rows.parts)))

    assert [report.chunk.rows_out for report in reports] == [2] * 6
    parts = tuple(part for report in reports for part in report.parts)
    made = Rows(ObjectSpool(world.stores.objects, f"{prefix}/Embed"), parts, 12, frozenset({"vector"}))
    frame = pd.concat(list(made.chunks()))
    assert frame["object_id"].tolist() == source(12)["object_id"].tolist()
    assert frame["where"].nunique() == 1


def test_a_part_that_is_tried_twice_gives_parts_that_do_not_meet(
    world: World, work: Callable[..., StepWork], prefix: str, source: Callable[..., Any]
) -> None:
    rows = _spooled(world.stores, prefix, source(2))
    first, second = (_call(StepWorker(work(), 1), 0, rows.parts[0]) for _ in range(2))
    assert set(first.parts).isdisjoint(second.parts)
    assert first.chunk == second.chunk


def test_a_node_without_the_variables_says_which(
    world: World, work: Callable[..., StepWork], monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = work()
    monkeypatch.delenv("MIXPEEK_QDRANT_URL")
    monkeypatch.delenv("MIXPEEK_S3_URL")
    error = _call(StepWorker(wanted, 1), 0, "000000")
    assert isinstance(error, SettingsError)
    assert error.why == "MIXPEEK_QDRANT_URL, MIXPEEK_S3_URL not set there"


def test_a_node_with_another_bucket_says_so(world: World, work: Callable[..., StepWork]) -> None:
    error = _call(StepWorker(work(bucket="elsewhere"), 1), 0, "000000")
    assert isinstance(error, SettingsError)
    assert "MIXPEEK_S3_BUCKET" in error.why


def test_errors_come_back_as_they_are(
    world: World, work: Callable[..., StepWork], prefix: str, source: Callable[..., Any]
) -> None:
    rows = _spooled(world.stores, prefix, source(1))
    assert isinstance(_call(StepWorker(work(), 1), 0, "missing"), NotFound)
    assert isinstance(_call(StepWorker(work(step="Other"), 1), 0, rows.parts[0]), PipelineError)


def test_a_folder_that_changed_is_not_shipped_as_what_was_loaded(
    world: World, work: Callable[..., StepWork], tmp_path: Path
) -> None:
    from mixpeek_dagster.errors import PluginError

    folder = world.plugin()
    reference = PluginReference(name="plugin", version="1.0.0", plugin_id="plugin_1_0_0", folder=str(folder))
    with pytest.raises(PluginError, match="changed while the run was under way"):
        world.stores.plugins.shipped(reference, "0" * 64, "_spool/run/col")


def test_work_carries_no_secret(world: World, work: Callable[..., StepWork]) -> None:
    content = pickle.dumps(work())
    for name, value in world.stores.environment().items():
        if "KEY" in name:
            assert value.encode() not in content
