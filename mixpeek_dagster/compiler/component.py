"""Collections kept in git: a Dagster component that compiles one from YAML."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from mixpeek_dagster import ids
from mixpeek_dagster.catalog.records import Bucket, Collection, Namespace, PluginReference, Source
from mixpeek_dagster.compiler.blobs import blobs_asset
from mixpeek_dagster.compiler.collection import Compilable, collection_job, compile_collection
from mixpeek_dagster.compiler.repository import definitions
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
    parameters: dict[str, Any] = Field(default_factory=dict, description="Parameters for the plugin's build_steps.")
    input_mappings: dict[str, str] = Field(default_factory=dict, description="Input field of the plugin: source field.")
    source_filters: dict[str, Any] = Field(default_factory=dict, description="Only rows that match are processed.")

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Assets, checks and the job of the collection."""
        settings = Settings.load()
        item = self._compilable(settings, context.path)
        assets = [blobs_asset(item.namespace, item.bucket), *compile_collection(item)]
        return definitions(assets, [collection_job(item)], settings)

    def _compilable(self, settings: Settings, folder: Path) -> Compilable:
        namespace_id = ids.derived_id(ids.Prefix.NAMESPACE, settings.organization, self.namespace)
        bucket_id = ids.derived_id(ids.Prefix.BUCKET, namespace_id, self.bucket)
        plugin_folder = (folder / self.plugin).resolve()
        spec = load_plugin(plugin_folder).spec
        return Compilable(
            Namespace(
                namespace_id=namespace_id,
                namespace_name=self.namespace,
                organization_id=settings.organization,
                created_at=_EPOCH,
            ),
            bucket_record(namespace, self.bucket, settings.s3_bucket),
            Collection(
                collection_id=ids.derived_id(ids.Prefix.COLLECTION, namespace_id, self.name),
                namespace_id=namespace_id,
                collection_name=self.name,
                source=Source(type="bucket", bucket_id=bucket_id, source_filters=self.source_filters),
                plugin=PluginReference.of(spec),
                parameters=self.parameters,
                input_mappings=self.input_mappings,
                created_at=_EPOCH,
            ),
            declared=True,
        )
