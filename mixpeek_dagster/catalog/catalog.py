"""The catalog: all repositories over one database."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from pymongo import MongoClient

from mixpeek_dagster import ids
from mixpeek_dagster.catalog.connection import Document, connect
from mixpeek_dagster.catalog.records import Bucket, Collection, Namespace, require_name
from mixpeek_dagster.catalog.repositories import Batches, Buckets, Collections, Namespaces, Objects, Repository, Tasks
from mixpeek_dagster.errors import AlreadyExists, NotFound


@dataclass(frozen=True)
class CatalogSnapshot:
    """What a compile needs to know."""

    namespaces: list[Namespace]
    buckets: list[Bucket]
    collections: list[Collection]


class Catalog:
    """Typed access to everything there is."""

    def __init__(self, client: MongoClient[Document], url: str, database: str) -> None:
        self._client = client
        store = client[database]
        self.namespaces = Namespaces(store, url)
        self.buckets = Buckets(store, url)
        self.objects = Objects(store, url)
        self.collections = Collections(store, url)
        self.batches = Batches(store, url)
        self.tasks = Tasks(store, url)

    @classmethod
    def open(cls, url: str, database: str) -> Catalog:
        """Connect and make the indexes that are not there.

        Raises:
            StoreUnavailable: MongoDB does not answer.
        """
        catalog = cls(connect(url), url, database)
        repositories: tuple[Repository, ...] = (  # type: ignore[type-arg]
            catalog.namespaces,
            catalog.buckets,
            catalog.objects,
            catalog.collections,
            catalog.batches,
            catalog.tasks,
        )
        for repository in repositories:
            repository.create_indexes()
        return catalog

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def ensure_namespace(self, name: str, organization_id: str) -> Namespace:
        """The organization's namespace of that name, made if it is new."""
        found = self.namespaces.find_by_name(name, organization_id)
        if found is not None:
            return found
        namespace = namespace_record(name, organization_id)
        try:
            return self.namespaces.insert(namespace)
        except AlreadyExists:
            return self.namespaces.get(namespace.namespace_id)

    def namespace(self, name: str, organization_id: str) -> Namespace:
        """A namespace by name.

        Raises:
            NotFound: there is none.
        """
        found = self.namespaces.find_by_name(name, organization_id)
        if found is None:
            raise NotFound(f"namespace {name!r}", why=f"organization {organization_id!r} has none of that name")
        return found

    def snapshot(self) -> CatalogSnapshot:
        """Everything to compile, one query per kind."""
        return CatalogSnapshot(self.namespaces.all(), self.buckets.all(), self.collections.all())

    def snapshot_of(self, collection_ids: Iterable[str]) -> CatalogSnapshot:
        """The same for a few collections, those that feed them, and their buckets."""
        collections: dict[str, Collection] = {}
        wanted = list(collection_ids)
        while wanted:
            collection = self.collections.get(wanted.pop())
            collections[collection.collection_id] = collection
            if collection.source.collection_id and collection.source.collection_id not in collections:
                wanted.append(collection.source.collection_id)
        buckets = {c.source.bucket_id for c in collections.values() if c.source.bucket_id}
        namespaces = {c.namespace_id for c in collections.values()}
        return CatalogSnapshot(
            [self.namespaces.get(namespace) for namespace in sorted(namespaces)],
            [self.buckets.get(bucket) for bucket in sorted(buckets)],
            list(collections.values()),
        )


def namespace_record(name: str, organization_id: str, *, created_at: datetime | None = None) -> Namespace:
    """A namespace; its id follows from its name and organization.

    Raises:
        InvalidRequest: the name cannot be one.
    """
    require_name("namespace", name)
    return Namespace(
        namespace_id=ids.derived_id(ids.Prefix.NAMESPACE, organization_id, name),
        namespace_name=name,
        organization_id=organization_id,
        created_at=created_at or datetime.now(UTC),
    )
