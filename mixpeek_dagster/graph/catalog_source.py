"""What to compile, read from the catalog: one query per kind for everything, a few reads for one collection."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from mixpeek_dagster.catalog.records import Bucket, Collection, Namespace, PluginReference
from mixpeek_dagster.errors import MixpeekError
from mixpeek_dagster.graph import names
from mixpeek_dagster.graph.aws import open_stores
from mixpeek_dagster.graph.collection import Compilable
from mixpeek_dagster.plugins.plugin import LoadedPlugin
from mixpeek_dagster.settings import Settings

if TYPE_CHECKING:
    from mixpeek_dagster.catalog.catalog import CatalogSnapshot


class CatalogSource:
    """Reads when asked, once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def buckets(self) -> Sequence[tuple[Namespace, Bucket]]:
        namespaces = {namespace.namespace_id: namespace for namespace in self._snapshot.namespaces}
        return [(namespaces[bucket.namespace_id], bucket) for bucket in self._snapshot.buckets]

    def collections(self) -> Sequence[Compilable]:
        return self._compilables

    def collection(self, job_name: str) -> Compilable | None:
        """Loads that collection alone; None if no job has the name."""
        with open_stores(self._settings) as stores:
            namespaces = {item.namespace_id: item.address for item in stores.catalog.namespaces.all()}
            for collection_id, namespace_id, collection in stores.catalog.collections.names():
                if names.job_name(namespaces[namespace_id], collection) == job_name:
                    snapshot = stores.catalog.snapshot_of([collection_id])
                    return compilables(snapshot, stores.plugins.load, only=collection_id)[0]
        return None

    def bucket(self, job_name: str) -> Sequence[Compilable]:
        """The enabled collections of the bucket whose batch job has this name."""
        with open_stores(self._settings) as stores:
            catalog = stores.catalog
            namespaces = {item.namespace_id: item.address for item in catalog.namespaces.all()}
            for bucket in catalog.buckets.all():
                if names.batch_job_name(namespaces[bucket.namespace_id], bucket.bucket_name) == job_name:
                    ids = [c.collection_id for c in catalog.collections.find(bucket.namespace_id)]
                    return compilables(catalog.snapshot_of(ids), stores.plugins.load, bucket=bucket.bucket_id)
        return []

    @cached_property
    def _snapshot(self) -> CatalogSnapshot:
        with open_stores(self._settings) as stores:
            return stores.catalog.snapshot()

    @cached_property
    def _compilables(self) -> list[Compilable]:
        with open_stores(self._settings) as stores:
            return compilables(self._snapshot, stores.plugins.load)


def compilables(
    snapshot: CatalogSnapshot,
    load: Callable[[PluginReference], LoadedPlugin],
    *,
    only: str | None = None,
    bucket: str | None = None,
) -> list[Compilable]:
    """The snapshot's enabled collections with their namespace, root bucket, plugin and upstream.

    Args:
        load: gives a plugin; asked once for each.
        only: id of the one collection wanted.
        bucket: id of the bucket whose collections are wanted.
    """
    plugins: dict[str, LoadedPlugin | MixpeekError] = {}

    def plugin(reference: PluginReference) -> LoadedPlugin | MixpeekError:
        place = reference.model_dump_json()
        if place not in plugins:
            try:
                plugins[place] = load(reference)
            except MixpeekError as error:
                plugins[place] = error
        return plugins[place]

    namespaces = {namespace.namespace_id: namespace for namespace in snapshot.namespaces}
    buckets = {bucket.bucket_id: bucket for bucket in snapshot.buckets}
    collections = {collection.collection_id: collection for collection in snapshot.collections}
    wanted = [
        (collection, root)
        for collection in collections.values()
        if collection.enabled and only in (None, collection.collection_id)
        if bucket in (None, root := _root(collection, collections))
    ]
    return [
        Compilable(
            namespaces[collection.namespace_id],
            buckets[root],
            collection,
            plugin(collection.plugin),
            upstream=_upstream_name(collection, collections),
        )
        for collection, root in wanted
    ]


def _root(collection: Collection, collections: dict[str, Collection]) -> str:
    while collection.source.bucket_id is None:
        collection = collections[str(collection.source.collection_id)]
    return collection.source.bucket_id


def _upstream_name(collection: Collection, collections: dict[str, Collection]) -> str | None:
    upstream = collection.source.collection_id
    return collections[upstream].collection_name if upstream else None
