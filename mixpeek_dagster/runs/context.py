"""Everything a collection's run on one batch needs to know, read once per op."""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mixpeek_dagster.catalog.records import Batch, Bucket, Collection, Namespace
from mixpeek_dagster.errors import PipelineError
from mixpeek_dagster.objects.spools import PREFIX as SPOOL_PREFIX
from mixpeek_dagster.objects.spools import ObjectSpool
from mixpeek_dagster.plugins.pipeline import Step
from mixpeek_dagster.plugins.plugin import BuiltPipeline, LoadedPlugin
from mixpeek_dagster.plugins.request import ExtractorRequest
from mixpeek_dagster.plugins.spec import PluginSpec
from mixpeek_dagster.rows.spool import FolderSpool, Spool
from mixpeek_dagster.settings import Settings

if TYPE_CHECKING:
    from mixpeek_dagster.stores import Stores


@dataclass(frozen=True)
class CollectionRun:
    """A collection at work on a batch."""

    stores: Stores
    settings: Settings
    namespace: Namespace
    bucket: Bucket
    collection: Collection
    upstream: Collection | None
    batch: Batch
    plugin: LoadedPlugin
    run_id: str

    @property
    def spec(self) -> PluginSpec:
        """The plugin's manifest."""
        return self.plugin.spec

    @property
    def vectors(self) -> frozenset[str]:
        """Columns that hold vectors."""
        return frozenset(feature.name for feature in self.spec.features)

    @functools.cached_property
    def pipeline(self) -> BuiltPipeline:
        """The plugin's steps for this collection's parameters and this batch."""
        return self.plugin.build_pipeline(
            self.collection.parameters,
            collection_id=self.collection.collection_id,
            namespace_id=self.namespace.namespace_id,
            dataset_size=self.batch.object_count,
        )

    @functools.cached_property
    def config_hash(self) -> str:
        """Changes whenever the same content would give other documents: code, parameters or mappings changed."""
        collection = self.collection
        parts = [self.spec.code_hash, dict(collection.parameters), dict(collection.input_mappings)]
        return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]

    def spool(self, step: str) -> Spool:
        """Place for a step's rows: on this machine, or in S3 if steps run on a cluster."""
        if self.settings.ray_address:
            return ObjectSpool(self.stores.objects, f"{self.spool_prefix}/{step}")
        return FolderSpool(self._spool_folder / step)

    @property
    def spool_prefix(self) -> str:
        """Where the run keeps in S3 what the nodes of a cluster share."""
        return f"{SPOOL_PREFIX}/{self.run_id}/{self.collection.collection_id}"

    def drop_spools(self) -> None:
        """Delete the rows between this run's steps."""
        if self.settings.ray_address:
            ObjectSpool(self.stores.objects, self.spool_prefix).clear()
        shutil.rmtree(self._spool_folder, ignore_errors=True)

    @property
    def request(self) -> ExtractorRequest:
        """What `build_steps` is called with."""
        return self.plugin.request(
            self.collection.parameters,
            collection_id=self.collection.collection_id,
            namespace_id=self.namespace.namespace_id,
        )

    @property
    def _spool_folder(self) -> Path:
        return self.settings.spool_path / self.run_id / self.collection.collection_id

    def step(self, name: str) -> Step:
        """The step behind an op.

        Raises:
            PipelineError: the plugin changed since the graph was compiled and has no such step now.
        """
        steps = {step.name: step for step in self.pipeline.steps}
        if name not in steps:
            raise PipelineError(
                f"step {name!r} of plugin {self.spec.plugin_id!r}",
                why=f"the plugin has changed and has {', '.join(steps)} now",
                fix="Reload the code location and run again",
            )
        return steps[name]


def open_collection_run(
    stores: Stores,
    settings: Settings,
    *,
    namespace: str,
    collection_name: str,
    batch_id: str,
    run_id: str,
    declared: Collection | None = None,
) -> CollectionRun:
    """Read the records and load the plugin.

    Args:
        namespace: its address.
        declared: definition of a collection that lives in YAML; entered into the catalog if it is new or changed.

    Raises:
        MixpeekError: a record is missing, or the plugin does not load.
    """
    catalog = stores.catalog
    if declared is not None:
        catalog.ensure_namespace(namespace.rpartition("/")[2], settings.organization)
        catalog.collections.put(declared)
    found = catalog.namespaces.get_by_address(namespace)
    collection = catalog.collections.get_by_name(found.namespace_id, collection_name)
    batch = catalog.batches.get(batch_id)
    bucket = catalog.buckets.get(batch.bucket_id)
    upstream = collection.source.collection_id
    return CollectionRun(
        stores=stores,
        settings=settings,
        namespace=found,
        bucket=bucket,
        collection=collection,
        upstream=catalog.collections.get(upstream) if upstream else None,
        batch=batch,
        plugin=stores.plugins.load(collection.plugin),
        run_id=run_id,
    )
