"""Collections kept in git: a Dagster component that compiles one from YAML."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from mixpeek_dagster import ids
from mixpeek_dagster.catalog.buckets import bucket_record
from mixpeek_dagster.catalog.catalog import namespace_record
from mixpeek_dagster.catalog.linked import linked_plugin, vector_indexes
from mixpeek_dagster.catalog.records import Collection, SourceReference
from mixpeek_dagster.graph.blobs import blobs_asset
from mixpeek_dagster.graph.collection import Compilable, collection_job, compile_collection
from mixpeek_dagster.graph.repository import definitions
from mixpeek_dagster.plugins.loading import load_plugin
from mixpeek_dagster.settings import Settings

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


class CollectionComponent(dg.Component, dg.Model, dg.Resolvable):
    """One collection: a bucket, a plugin and its parameters.

    The same compiler as for collections made by command or API. A run enters the collection into the catalog, so
    the graph itself is made without touching a store.
    """

    name: str = Field(description="Name of the collection.")
    bucket: str = Field(description="Bucket that feeds it.")
    plugin: str = Field(description="Plugin folder, relative to this file.")
    namespace: str = Field(default="default", description="Namespace of bucket and collection.")
    brings_blobs: bool = Field(
        default=True, description="False if another collection of the same bucket already brings the bucket's blobs."
    )
    parameters: dict[str, Any] = Field(default_factory=dict, description="Parameters for the plugin's build_steps.")
    input_mappings: dict[str, str] = Field(default_factory=dict, description="Input field of the plugin: source field.")
    source_filters: dict[str, Any] = Field(default_factory=dict, description="Only rows that match are processed.")

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Assets, checks and the job of the collection."""
        settings = Settings.load()
        item = self._compilable(settings, context.path)
        blobs = [blobs_asset(item.namespace, item.bucket)] if self.brings_blobs else []
        return definitions([*blobs, *compile_collection(item)], [collection_job(item)], settings)

    def _compilable(self, settings: Settings, folder: Path) -> Compilable:
        namespace = namespace_record(self.namespace, settings.organization, created_at=_EPOCH)
        bucket = bucket_record(namespace, self.bucket, settings.s3_bucket, created_at=_EPOCH)
        plugin = load_plugin((folder / self.plugin).resolve())
        return Compilable(
            namespace,
            bucket,
            Collection(
                collection_id=ids.derived_id(ids.Prefix.COLLECTION, namespace.namespace_id, self.name),
                namespace_id=namespace.namespace_id,
                collection_name=self.name,
                source=SourceReference(type="bucket", bucket_id=bucket.bucket_id, source_filters=self.source_filters),
                plugin=linked_plugin(plugin.spec),
                parameters=self.parameters,
                input_mappings=self.input_mappings,
                vector_indexes=vector_indexes(plugin.spec),
                created_at=_EPOCH,
            ),
            plugin,
            declared=True,
        )
