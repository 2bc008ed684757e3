"""Entering collections into a namespace: everything that can be refused is refused before a row is computed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mixpeek_dagster import ids
from mixpeek_dagster.catalog.records import Collection, Namespace, PluginReference, Source, VectorIndex, require_name
from mixpeek_dagster.errors import AlreadyExists
from mixpeek_dagster.plugins.loading import load_plugin
from mixpeek_dagster.plugins.spec import PluginSpec
from mixpeek_dagster.runs.context import build_pipeline
from mixpeek_dagster.stores import Stores


def create_collection(
    stores: Stores,
    namespace: Namespace,
    name: str,
    *,
    plugin_folder: Path,
    source: Source,
    parameters: dict[str, Any] | None = None,
    input_mappings: dict[str, str] | None = None,
) -> Collection:
    """Check the plugin, its parameters and its vectors, make the vectors in Qdrant, and record the collection.

    Called again with the same definition it returns the collection that is there.

    Raises:
        PluginError: the plugin or a parameter is wrong.
        VectorClash: a feature's name is held in the namespace with another size or distance.
        AlreadyExists: the name is taken by another definition.
    """
    require_name("collection", name)
    plugin = load_plugin(plugin_folder)
    collection = Collection(
        collection_id=ids.derived_id(ids.Prefix.COLLECTION, namespace.namespace_id, name),
        namespace_id=namespace.namespace_id,
        collection_name=name,
        source=source,
        plugin=reference(plugin.spec),
        parameters=parameters or {},
        input_mappings=input_mappings or {},
        vector_indexes=vector_indexes(plugin.spec),
        created_at=datetime.now(UTC),
    )
    build_pipeline(plugin, namespace, collection)
    known = stores.catalog.collections.find_by_name(namespace.namespace_id, name)
    if known is not None:
        return _same(known, collection)
    features = [(f.name, f.dimension, f.distance.value) for f in plugin.spec.features]
    stores.index.ensure_vectors(namespace.namespace_id, features)
    stores.catalog.collections.insert(collection)
    return collection


def reference(spec: PluginSpec) -> PluginReference:
    """How a collection points at its plugin."""
    return PluginReference(folder=str(spec.folder), name=spec.name, version=spec.version, plugin_id=spec.plugin_id)


def vector_indexes(spec: PluginSpec) -> tuple[VectorIndex, ...]:
    """The named vectors that a plugin's documents carry."""
    return tuple(VectorIndex(name=f.name, dimensions=f.dimension, distance=f.distance.value) for f in spec.features)


def _same(known: Collection, wanted: Collection) -> Collection:
    different = [
        field
        for field in ("source", "plugin", "parameters", "input_mappings")
        if getattr(known, field) != getattr(wanted, field)
    ]
    if different:
        raise AlreadyExists(
            f"collection {known.collection_name!r}",
            why=f"it is there with another {', '.join(different)}",
            fix="Choose another name, or delete it first",
        )
    return known
