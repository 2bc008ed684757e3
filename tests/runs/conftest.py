"""A namespace of its own for each test, with tiny plugins that need no model."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from mixpeek_dagster.catalog.buckets import ensure_bucket
from mixpeek_dagster.catalog.records import Batch, Collection, Namespace, SourceReference
from mixpeek_dagster.dagster_home.outcome import RunOutcome
from mixpeek_dagster.dagster_home.runs import add_batch, materialize
from mixpeek_dagster.embedded import EmbeddedStores
from mixpeek_dagster.graph.catalog_source import compilables
from mixpeek_dagster.ingest.upload import ingest_paths
from mixpeek_dagster.operations.collections import create_collection
from mixpeek_dagster.settings import Settings
from mixpeek_dagster.stores import Stores, open_stores
from tests.ray_cluster import RayCluster, ray_cluster

MANIFEST = """
metadata = {{"feature_extractor_name": "{name}", "version": "1.0.0", "description": "A test plugin"}}
input_schema = {inputs}
supported_input_types = {types}
features = [
    {{"feature_type": "embedding", "feature_name": "vector", "embedding_dim": 4, "distance_metric": "cosine"}},
]
"""
PIPELINE = """
from engine.plugins.extractors.pipeline import (
    PipelineDefinition, ResourceType, RowCondition, StepDefinition, build_pipeline_steps,
)
from .processors.core import STEPS


def build_steps(extractor_request, **kwargs):
    steps = [StepDefinition(service_class=step, condition=RowCondition.{condition}) for step in STEPS]
    return {{"steps": build_pipeline_steps(PipelineDefinition(name="p", version="1", steps=steps))}}
"""
EMBED = '''
import pandas as pd


class Embed:
    """Four numbers made of the text."""

    def __call__(self, batch: pd.DataFrame) -> pd.DataFrame:
        batch["vector"] = [[float(len(t)), float(sum(map(ord, t)) % 97), 1.0, 0.5] for t in batch["data"]]
        batch["length"] = [len(t) for t in batch["data"]]
        return batch


STEPS = [Embed]
'''

CHUNK = '''
import pandas as pd
from .embed import Embed


class Chunk:
    """One row per line."""

    def __call__(self, batch):
        rows = []
        for row in batch.to_dict("records"):
            rows += [{**row, "data": line, "line": n} for n, line in enumerate(row["data"].split("|"))]
        return pd.DataFrame(rows)


STEPS = [Chunk, Embed]
'''
PICKY = EMBED.replace(
    '        batch["vector"]',
    '        if any("poison" in t for t in batch["data"]):\n            raise ValueError("cannot read this")\n'
    '        batch["vector"]',
)


@dataclass
class World:
    """One test's namespace and what can be done in it."""

    settings: Settings
    stores: Stores
    instance: dg.DagsterInstance
    namespace: Namespace
    tmp_path: Path

    def plugin(
        self,
        core: str = EMBED,
        *,
        name: str = "plugin",
        inputs: str = "None",
        types: str = '["text"]',
        condition: str = "ALWAYS",
        extra: str = "",
    ) -> Path:
        """A plugin folder with the given processors."""
        folder = self.tmp_path / name
        (folder / "processors").mkdir(parents=True, exist_ok=True)
        manifest = MANIFEST.format(name=name, inputs=inputs, types=types) + extra
        (folder / "manifest.py").write_text(manifest, encoding="utf-8")
        (folder / "pipeline.py").write_text(PIPELINE.format(condition=condition), encoding="utf-8")
        (folder / "processors" / "core.py").write_text(core, encoding="utf-8")
        return folder

    def files(self, contents: dict[str, str | bytes]) -> Path:
        """A folder with these files, and no others."""
        folder = self.tmp_path / "files"
        folder.mkdir(exist_ok=True)
        for path in folder.iterdir():
            path.unlink()
        for name, content in contents.items():
            (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return folder

    def ingest(self, contents: dict[str, str | bytes]) -> Batch:
        """Upload files to the bucket `docs`."""
        bucket = ensure_bucket(self.stores.catalog, self.namespace, "docs", self.settings.s3_bucket)
        batch = ingest_paths(self.stores.catalog, self.stores.objects, bucket, [self.files(contents)])
        add_batch(self.instance, self.namespace.namespace_name, "docs", batch.batch_id)
        return batch

    def collection(self, plugin: Path, name: str = "notes", **options: Any) -> Collection:
        """A collection over the bucket `docs`, or over another collection."""
        bucket = ensure_bucket(self.stores.catalog, self.namespace, "docs", self.settings.s3_bucket)
        filters = options.pop("filters", {})
        source = options.pop("source", None) or SourceReference(
            type="bucket", bucket_id=bucket.bucket_id, source_filters=filters
        )
        return create_collection(self.stores, self.namespace, name, plugin=plugin, source=source, **options)

    def run(self, collection: Collection, batch: Batch, *, blobs: bool = True, recompute: bool = False) -> RunOutcome:
        """Materialize a batch of the collection in this process."""
        snapshot = self.stores.catalog.snapshot_of([collection.collection_id])
        (item,) = compilables(snapshot, self.stores.plugins.load, only=collection.collection_id)
        return materialize(self.instance, self.settings, item, batch.batch_id, blobs=blobs, recompute=recompute)

    def ledger(self, collection: Collection, batch: Batch) -> dict[str, int]:
        """The ledger that the newest run left on the batch."""
        tier = self.stores.catalog.batches.get(batch.batch_id).tiers[collection.collection_id]
        counters: dict[str, int] = tier["counters"]
        return counters

    def status(self, outcome: RunOutcome) -> str:
        """The status of the run's task."""
        (task,) = self.stores.catalog.tasks.of_run(outcome.run_id)
        return task.status.value

    def documents(self, collection: Collection) -> list[dict[str, Any]]:
        """Payloads of all documents of the collection."""
        blobs = [blob.blob_id for item in self.stores.catalog.objects.of_bucket(self.bucket_id) for blob in item.blobs]
        return self.stores.index.documents_of(self.namespace.namespace_id, collection.collection_id, blobs)

    @property
    def bucket_id(self) -> str:
        """Id of the bucket `docs`."""
        return self.stores.catalog.buckets.get_by_name(self.namespace.namespace_id, "docs").bucket_id


@pytest.fixture(scope="session")
def ray(embedded: EmbeddedStores, home: Path) -> Iterator[RayCluster]:
    """A Ray cluster of one node with the variables of the run's stores."""
    with (
        tempfile.TemporaryDirectory(prefix="ray-") as folder,
        open_stores(_settings_of(embedded, home=home)) as stores,
        ray_cluster(Path(folder), stores.environment()) as cluster,
    ):
        yield cluster


@pytest.fixture
def make_settings(embedded: EmbeddedStores, tmp_path: Path) -> Callable[..., Settings]:
    def make(**changes: Any) -> Settings:
        return _settings_of(embedded, **({"home": tmp_path / "home"} | changes))

    return make


def _settings_of(embedded: EmbeddedStores, **changes: Any) -> Settings:
    values: dict[str, Any] = {
        "mongodb_url": embedded.mongodb_url,
        "qdrant_url": embedded.qdrant_url,
        "s3_url": embedded.s3_url,
        "s3_access_key_id": embedded.s3_access_key_id,
        "s3_secret_access_key": embedded.s3_secret_access_key,
        **changes,
    }
    return Settings.model_validate(values)


@pytest.fixture
def make_world(
    make_settings: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., World]]:
    opened: list[World] = []

    def make(**changes: Any) -> World:
        settings = make_settings(**changes)
        stores = open_stores(settings)
        limits = {f"MIXPEEK_{name.upper()}": str(value) for name, value in changes.items()}
        for name, value in (limits | stores.environment()).items():
            monkeypatch.setenv(name, value)
        namespace = stores.catalog.ensure_namespace(f"t{secrets.token_hex(6)}", settings.organization)
        # In files, Dagster's events would take half of a test's time; the command's tests keep them there.
        opened.append(World(settings, stores, dg.DagsterInstance.ephemeral(), namespace, tmp_path))
        return opened[-1]

    yield make
    for world in opened:
        world.instance.dispose()
        world.stores.close()


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world()
