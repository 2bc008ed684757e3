"""What to compile, read from the catalog: one query per kind for everything, a few reads for one collection."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from mixpeek_dagster.catalog.catalog import CatalogSnapshot
from mixpeek_dagster.catalog.records import Bucket, Collection, Namespace
from mixpeek_dagster.compiler import names
from mixpeek_dagster.compiler.collection import Compilable
from mixpeek_dagster.settings import Settings
from mixpeek_dagster.stores import open_stores


class CatalogSource:
    """Reads when asked, once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def buckets(self) -> Sequence[tuple[Namespace, Bucket]]:
        """Every bucket with its namespace."""
        namespaces = {namespace.namespace_id: namespace for namespace in self._snapshot.namespaces}
        return [(namespaces[bucket.namespace_id], bucket) for bucket in self._snapshot.buckets]

    def collections(self) -> Sequence[Compilable]:
        """Every enabled collection."""
        return compilables(self._snapshot)

    def collection(self, job_name: str) -> Compilable | None:
        """The collection whose job has this name."""
        with open_stores(self._settings) as stores:
            namespaces = {item.namespace_id: item.namespace_name for item in stores.catalog.namespaces.all()}
            for collection_id, namespace_id, collection in stores.catalog.collections.names():
                if names.job_name(namespaces[namespace_id], collection) == job_name:
                    return compilables(stores.catalog.snapshot_of([collection_id]), only=collection_id)[0]
        return None

    @cached_property
    def _snapshot(self) -> CatalogSnapshot:
        with open_stores(self._settings) as stores:
            return stores.catalog.snapshot()


def compilables(snapshot: CatalogSnapshot, only: str | None = None) -> list[Compilable]:
    """The snapshot's enabled collections with their namespace, root bucket and upstream.

    Args:
        only: id of the one collection wanted.
    """
    namespaces = {namespace.namespace_id: namespace for namespace in snapshot.namespaces}
    buckets = {bucket.bucket_id: bucket for bucket in snapshot.buckets}
    collections = {collection.collection_id: collection for collection in snapshot.collections}
    return [
        Compilable(
            namespaces[collection.namespace_id],
            buckets[_root(collection, collections)],
            collection,
            upstream=_upstream_name(collection, collections),
        )
        for collection in collections.values()
        if collection.enabled and only in (None, collection.collection_id)
    ]


def _root(collection: Collection, collections: dict[str, Collection]) -> str:
    while collection.source.bucket_id is None:
        collection = collections[str(collection.source.collection_id)]
    return collection.source.bucket_id


def _upstream_name(collection: Collection, collections: dict[str, Collection]) -> str | None:
    upstream = collection.source.collection_id
    return collections[upstream].collection_name if upstream else None
