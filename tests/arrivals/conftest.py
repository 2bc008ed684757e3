"""A bucket that takes up what lands in it, with its sensor's looks and runs made by the test."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from mixpeek_dagster.catalog.buckets import ensure_bucket
from mixpeek_dagster.catalog.records import Batch, Bucket, Collection, RunScope, SourceReference, Sync, TaskStatus
from mixpeek_dagster.dagster_home.runs import add_batch
from mixpeek_dagster.graph import names
from mixpeek_dagster.graph.arrivals import attempt_name, run_state, unwritten
from mixpeek_dagster.graph.catalog_source import CatalogSource
from mixpeek_dagster.graph.repository import CollectionsRepository
from mixpeek_dagster.ingest.tick import Tick, run_tick
from mixpeek_dagster.objects.connection import S3Access
from mixpeek_dagster.operations.buckets import set_sync
from tests.runs.conftest import World, make_settings, make_world, world

__all__ = ["make_settings", "make_world", "world"]


@dataclass
class Shore:
    """Where objects land, and what can be done about it."""

    world: World
    bucket: Bucket
    queue: Callable[[], Any] | None = None
    clock: Callable[[], float] = time.monotonic
    looks: list[Tick] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.s3 = S3Access.of(self.world.settings).client()

    def put(self, key: str, content: str | bytes = "hello", **options: Any) -> None:
        """Put an object as any S3 client would."""
        body = content.encode() if isinstance(content, str) else content
        self.s3.put_object(Bucket=self.bucket.s3_bucket, Key=self.bucket.prefix + key, Body=body, **options)

    def delete(self, key: str) -> None:
        """Delete one."""
        self.s3.delete_object(Bucket=self.bucket.s3_bucket, Key=self.bucket.prefix + key)

    def sync(self, **changes: Any) -> None:
        """Change how arrivals are taken up."""
        wanted = (self.bucket.sync or Sync()).model_copy(update=changes)
        self.bucket = set_sync(self.world.stores.catalog, self.bucket, wanted)

    def look(self) -> Tick:
        """One look of the sensor, without runs."""
        catalog = self.world.stores.catalog
        tick = run_tick(
            catalog,
            self.world.stores.objects,
            catalog.buckets.get(self.bucket.bucket_id),
            run_state=lambda batch: run_state(self.world.instance, batch),
            queue=self.queue,
            clock=self.clock,
        )
        self.looks.append(tick)
        return tick

    def run(self, batch: Batch) -> bool:
        """The run that the sensor asks for, in this process; returns whether it is green."""
        settings, namespace = self.world.settings, self.world.namespace.address
        instance = self.world.instance
        add_batch(instance, namespace, self.bucket.bucket_name, batch.batch_id)
        name, source = names.batch_job_name(namespace, self.bucket.bucket_name), CatalogSource(settings)
        writes = batch.scope is RunScope.WRITES
        result = (
            CollectionsRepository(source, settings)
            .get_job(name)
            .execute_in_process(
                instance=instance,
                partition_key=batch.batch_id,
                raise_on_error=False,
                tags={names.BATCH_TAG: attempt_name(batch)},
                asset_selection=unwritten(instance, self.world.namespace, source.bucket(name), batch)
                if writes
                else None,
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            )
        )
        return result.success

    def settle(self, most: int = 30) -> None:
        """Look and run until nothing waits and nothing is open."""
        for _ in range(most):
            tick = self.look()
            for batch in tick.to_run:
                self.run(batch)
            quiet = not (tick.to_run or tick.formed or tick.finished or tick.waiting or tick.under_way)
            if quiet and tick.listed.cycle_finished:
                return
        raise AssertionError(f"it does not settle: {[tick.summary() for tick in self.looks[-3:]]}")

    def keys(self, collection: Collection) -> list[str]:
        """Keys of the objects that the collection has documents of, one for each document."""
        index, namespace = self.world.stores.index, self.world.namespace.namespace_id
        hits = index._scroll(namespace, [_of(collection)], ["object_key"])
        return sorted((hit.payload or {})["object_key"] for hit in hits)

    def texts(self, collection: Collection) -> dict[str, str]:
        """Snippet of each object's document."""
        index, namespace = self.world.stores.index, self.world.namespace.namespace_id
        hits = [hit.payload or {} for hit in index._scroll(namespace, [_of(collection)], True)]
        return {hit["object_key"]: hit["_internal"]["snippet"] for hit in hits}

    def batches(self, status: TaskStatus | None = None) -> list[Batch]:
        """The bucket's batches."""
        found = self.world.stores.catalog.batches.of_bucket(self.bucket.bucket_id)
        return [batch for batch in found if status in (None, batch.status)]

    def states(self) -> dict[str, int]:
        """How many arrivals are in each state."""
        return self.world.stores.catalog.arrivals.counts(self.bucket.bucket_id)


def _of(collection: Collection) -> Any:
    from qdrant_client import models

    return models.FieldCondition(key="collection_id", match=models.MatchValue(value=collection.collection_id))


MakeShore = Callable[..., Shore]


@pytest.fixture
def shore(world: World) -> Shore:
    """A bucket over a place of its own in S3; batches are made at once."""
    catalog = world.stores.catalog
    bucket = ensure_bucket(catalog, world.namespace, "docs", world.settings.s3_bucket)
    changed = bucket.model_copy(update={"location": f"s3://{bucket.s3_bucket}/landing-{secrets.token_hex(6)}/"})
    return Shore(world, set_sync(catalog, changed, Sync(batch_seconds=0)))


@pytest.fixture
def notes(shore: Shore) -> Collection:
    """A collection of the bucket's texts."""
    return shore.world.collection(shore.world.plugin())


@pytest.fixture
def chained(shore: Shore, notes: Collection) -> Collection:
    """A collection that `notes` feeds."""
    plugin = shore.world.plugin(name="second")
    source = SourceReference(type="collection", collection_id=notes.collection_id)
    return shore.world.collection(plugin, "seconds", source=source)
