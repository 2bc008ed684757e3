"""Batches that fail, lose their process, or are sent again."""

from __future__ import annotations

import pytest

from mixpeek_dagster.catalog.records import Batch, Collection, RunScope, TaskStatus
from mixpeek_dagster.graph import names
from mixpeek_dagster.graph.arrivals import attempt_name
from mixpeek_dagster.graph.catalog_source import CatalogSource
from mixpeek_dagster.graph.repository import CollectionsRepository
from mixpeek_dagster.ingest import tick
from mixpeek_dagster.operations.batches import retry_batch
from mixpeek_dagster.operations.buckets import sync_status
from tests.arrivals.conftest import Shore

FAILING = """
import pandas as pd


class Embed:
    def __call__(self, batch: pd.DataFrame) -> pd.DataFrame:
        raise ValueError("the model is not there")


STEPS = [Embed]
"""


def test_a_batch_that_fails_is_tried_again_and_then_given_up(shore: Shore) -> None:
    collection = shore.world.collection(shore.world.plugin(FAILING))
    shore.sync(attempts=2)
    shore.put("a.txt")
    (batch,) = shore.look().to_run
    assert not shore.run(batch)
    assert shore.look().to_run == []
    (waiting,) = shore.batches()
    assert (waiting.attempt, waiting.status) == (2, TaskStatus.PENDING)
    assert "the model is not there" in waiting.reason
    shore.world.stores.catalog.batches.record_status(batch.batch_id, retry_at=None)
    (batch,) = shore.look().to_run
    shore.run(batch)
    shore.look()
    (failed,) = shore.batches(TaskStatus.FAILED)
    assert "the model is not there" in failed.reason
    assert shore.states() == {"failed": 1}
    assert sync_status(shore.world.stores.catalog, shore.bucket).batches == [failed]

    shore.world.plugin()
    retry_batch(shore.world.stores.catalog, failed)
    shore.settle()
    assert shore.keys(collection) == ["a.txt"]
    assert shore.states() == {"done": 1}


def _lose(shore: Shore, batch: Batch) -> None:
    """What the daemon records of a run whose process was killed."""
    instance = shore.world.instance
    run = instance.create_run_for_job(
        CollectionsRepository(CatalogSource(shore.world.settings), shore.world.settings).get_job(
            names.batch_job_name(shore.world.namespace.address, shore.bucket.bucket_name)
        ),
        tags={names.BATCH_TAG: attempt_name(batch)},
    )
    instance.report_run_failed(run, "process 1 of the run is gone")


def test_a_batch_whose_process_is_lost_has_not_failed(shore: Shore, notes: Collection) -> None:
    shore.sync(attempts=1)
    shore.put("a.txt")
    for lost in range(3):
        (batch,) = shore.look().to_run
        assert (batch.interruptions, batch.failures) == (lost, 0)
        _lose(shore, batch)
        shore.look()
    (batch,) = shore.batches()
    assert "process" in batch.reason
    shore.settle()
    assert shore.keys(notes) == ["a.txt"]
    assert shore.states() == {"done": 1}


def test_a_batch_that_always_loses_its_process_is_given_up(
    shore: Shore, notes: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tick, "_MOST_INTERRUPTIONS", 1)
    shore.put("a.txt")
    for _ in range(2):
        (batch,) = shore.look().to_run
        _lose(shore, batch)
        shore.look()
    (failed,) = shore.batches(TaskStatus.FAILED)
    assert "memory" in failed.reason


def test_kept_rows_are_written_again_without_computing(shore: Shore, notes: Collection, chained: Collection) -> None:
    shore.put("a.txt", "a")
    shore.settle()
    (batch,) = shore.batches()
    index, namespace = shore.world.stores.index, shore.world.namespace.namespace_id
    for collection in (notes, chained):
        index.delete_blobs(
            namespace, collection.collection_id, sorted(index.blobs_of(namespace, collection.collection_id))
        )
    assert shore.keys(notes) == shore.keys(chained) == []
    retry_batch(shore.world.stores.catalog, batch, RunScope.WRITES)
    shore.settle()
    assert shore.keys(notes) == shore.keys(chained) == ["a.txt"]
    steps = {event.step_key for event in shore.world.instance.all_logs(_last_run(shore)) if event.dagster_event}
    assert any("documents" in str(step) for step in steps)
    assert not any("select_rows" in str(step) for step in steps)


def _last_run(shore: Shore) -> str:
    return shore.world.instance.get_run_records(limit=1)[0].dagster_run.run_id


def test_a_collection_that_fails_does_not_hold_up_its_neighbours(shore: Shore, notes: Collection) -> None:
    shore.world.collection(shore.world.plugin(FAILING, name="failing"), "failing")
    shore.put("a.txt")
    (batch,) = shore.look().to_run
    assert not shore.run(batch)
    assert shore.keys(notes) == ["a.txt"]
