"""Collections: everything that can be refused is refused before a row is computed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mixpeek_dagster import ids
from mixpeek_dagster.catalog.linked import linked_plugin, vector_indexes
from mixpeek_dagster.catalog.plugins import PluginRecord
from mixpeek_dagster.catalog.records import (
    Collection,
    NamedVector,
    Namespace,
    PluginReference,
    SourceReference,
    require_name,
)
from mixpeek_dagster.catalog.tenant import NamespaceView
from mixpeek_dagster.errors import AlreadyExists, InUse, InvalidRequest, NotFound, PluginError
from mixpeek_dagster.operations.buckets import bucket_or_new
from mixpeek_dagster.plugins.checks.sandbox import try_steps
from mixpeek_dagster.plugins.parameters import parameter_problems
from mixpeek_dagster.stores import Stores


def create_collection(
    stores: Stores,
    namespace: Namespace,
    name: str,
    *,
    plugin: Path | PluginRecord,
    source: SourceReference,
    parameters: dict[str, Any] | None = None,
    input_mappings: dict[str, str] | None = None,
) -> Collection:
    """Check the plugin, its parameters and its vectors, make the vectors in Qdrant, and record the collection.

    Called again with the same definition it returns the collection that is there.

    Args:
        plugin: a folder, which is read as it is at each run, or a registered plugin, which never changes.

    Raises:
        PluginError: the plugin or a parameter is wrong.
        VectorClash: a feature's name is held in the namespace with another size or distance.
        AlreadyExists: the name is taken by another definition.
        NotFound: the plugin was deleted meanwhile.
    """
    # Pandas and all that a run needs: most calls of the API and the command never do.
    from mixpeek_dagster.plugins.loading import load_plugin

    require_name("collection", name)
    chosen = dict(parameters or {})
    collection_id = ids.derived_id(ids.Prefix.COLLECTION, namespace.namespace_id, name)
    if isinstance(plugin, PluginRecord):
        chosen = {**plugin.params, **chosen}
        reference, vectors = _registered(plugin, stores, chosen)
    else:
        loaded = load_plugin(plugin)
        loaded.build_pipeline(chosen, collection_id=collection_id, namespace_id=namespace.namespace_id)
        reference, vectors = linked_plugin(loaded.spec), vector_indexes(loaded.spec)
    collection = Collection(
        collection_id=collection_id,
        namespace_id=namespace.namespace_id,
        collection_name=name,
        source=source,
        plugin=reference,
        parameters=chosen,
        input_mappings=input_mappings or {},
        vector_indexes=vectors,
        created_at=datetime.now(UTC),
    )
    known = stores.catalog.collections.find_by_name(namespace.namespace_id, name)
    if known is not None:
        return _same(known, collection)
    stores.index.ensure_vectors(namespace.namespace_id, [(v.name, v.dimensions, v.distance) for v in vectors])
    stores.catalog.collections.insert(collection)
    if isinstance(plugin, PluginRecord):
        _require_still_there(stores, plugin, collection)
    return collection


def source_of_bucket(
    stores: Stores, view: NamespaceView, bucket: str, filters: dict[str, Any], *, make: bool
) -> SourceReference:
    """A bucket as a source, by id or name.

    Args:
        make: whether a bucket that is not there is made.

    Raises:
        NotFound: the namespace has no such bucket.
        InvalidRequest: one is to be made, and the name cannot be one.
    """
    record = bucket_or_new(stores, view, bucket) if make else view.buckets.get_by_identifier(view.id, bucket)
    return SourceReference(type="bucket", bucket_id=record.bucket_id, source_filters=filters)


def source_of_collection(view: NamespaceView, upstream: str, filters: dict[str, Any]) -> SourceReference:
    """A collection as a source, by id or name.

    Raises:
        NotFound: the namespace has no such collection.
    """
    feeding = view.collections.get_by_identifier(view.id, upstream)
    return SourceReference(type="collection", collection_id=feeding.collection_id, source_filters=filters)


def root_bucket(view: NamespaceView, collection: Collection) -> str:
    """Id of the bucket that feeds a collection, directly or through others."""
    while collection.source.bucket_id is None:
        collection = view.collections.get(str(collection.source.collection_id))
    return collection.source.bucket_id


def delete_collection(stores: Stores, collection: Collection) -> int:
    """Delete a collection, its documents and its kept rows; returns how many documents it had.

    Its vectors stay in the namespace, since others may use them.

    Raises:
        InUse: another collection is fed by it.
    """
    catalog = stores.catalog
    fed = catalog.collections.fed_by(collection.namespace_id, collection.collection_id)
    if fed:
        names = ", ".join(item.collection_name for item in fed)
        raise InUse(
            f"collection {collection.collection_name!r}", why=f"it feeds {names}", fix="Delete these collections first"
        )
    deleted = stores.index.delete_collection(collection.namespace_id, collection.collection_id)
    address = catalog.namespaces.get(collection.namespace_id).address
    # Only its own: a bucket of the same name keeps its rows beside them.
    stores.artifacts.delete(f"{address}/{collection.collection_name}/features/")
    catalog.collections.delete(collection.collection_id)
    return deleted


def _registered(
    plugin: PluginRecord, stores: Stores, parameters: dict[str, Any]
) -> tuple[PluginReference, tuple[NamedVector, ...]]:
    """A registered plugin's reference and vectors; its code is tried with the parameters in a process of its own."""
    if not plugin.usable:
        why = "its validation failed" if plugin.validation_status == "failed" else "it is disabled in this namespace"
        raise InvalidRequest(f"plugin {plugin.plugin_id!r}", why=why, fix="See `mixpeek plugin show`")
    wrong = parameter_problems(plugin.manifest.get("parameter_schema"), parameters)
    if wrong:
        raise PluginError(f"parameters of plugin {plugin.plugin_id!r}", why="; ".join(wrong))
    try_steps(stores.plugins.folder(plugin.reference), parameters)
    return plugin.reference, plugin.vector_indexes


def _require_still_there(stores: Stores, plugin: PluginRecord, collection: Collection) -> None:
    """Who deletes a plugin first takes it away and then looks for collections, so one of the two sees the other."""
    there = stores.catalog.plugins.find_one(plugin.namespace_id, plugin.plugin_id)
    if there is None or there.code_hash != plugin.code_hash:
        stores.catalog.collections.delete(collection.collection_id)
        raise NotFound(f"plugin {plugin.plugin_id!r}", why="it was deleted meanwhile")


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
