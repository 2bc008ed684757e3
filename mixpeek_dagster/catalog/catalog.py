"""The catalog: all repositories over one database."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from pymongo import MongoClient

from mixpeek_dagster import ids
from mixpeek_dagster.catalog.access import ApiKeys, Organization, Organizations
from mixpeek_dagster.catalog.arrivals import Arrivals, DeadLetters
from mixpeek_dagster.catalog.connection import Document
from mixpeek_dagster.catalog.leases import Leases
from mixpeek_dagster.catalog.listings import Listings
from mixpeek_dagster.catalog.models import Models, ModelUploads
from mixpeek_dagster.catalog.plugins import Plugins, PluginUploads
from mixpeek_dagster.catalog.records import DEFAULT_ORGANIZATION, Bucket, Collection, Namespace, require_name
from mixpeek_dagster.catalog.repositories import Batches, Buckets, Collections, Namespaces, Objects, Tasks
from mixpeek_dagster.catalog.repository import Repository
from mixpeek_dagster.catalog.tenant import NamespaceView, Tenant
from mixpeek_dagster.errors import AlreadyExists


@dataclass(frozen=True)
class CatalogSnapshot:
    """What a compile needs to know."""

    namespaces: list[Namespace]
    buckets: list[Bucket]
    collections: list[Collection]


class Catalog:
    """Typed access to everything there is."""

    def __init__(self, client: MongoClient[Document], url: str, database: str) -> None:
        store = client[database]
        self.organizations = Organizations(store, url)
        self.api_keys = ApiKeys(store, url)
        self.namespaces = Namespaces(store, url)
        self.plugins = Plugins(store, url)
        self.plugin_uploads = PluginUploads(store, url)
        self.models = Models(store, url)
        self.model_uploads = ModelUploads(store, url)
        self.buckets = Buckets(store, url)
        self.objects = Objects(store, url)
        self.collections = Collections(store, url)
        self.batches = Batches(store, url)
        self.tasks = Tasks(store, url)
        self.arrivals = Arrivals(store, url)
        self.listings = Listings(store, url)
        self.dead_letters = DeadLetters(store, url)
        self.leases = Leases(store, url)

    @classmethod
    def open(cls, client: MongoClient[Document], url: str, database: str) -> Catalog:
        """Make the indexes that are not there.

        Args:
            client: stays the caller's, who closes it.
            url: where it leads, for messages.
            database: name of the catalog's database.

        Raises:
            StoreUnavailable: MongoDB does not answer.
        """
        catalog = cls(client, url, database)
        repositories: tuple[Repository, ...] = (  # type: ignore[type-arg]
            catalog.organizations,
            catalog.api_keys,
            catalog.namespaces,
            catalog.plugins,
            catalog.plugin_uploads,
            catalog.models,
            catalog.model_uploads,
            catalog.buckets,
            catalog.objects,
            catalog.collections,
            catalog.batches,
            catalog.tasks,
            catalog.arrivals,
            catalog.listings,
            catalog.dead_letters,
            catalog.leases,
        )
        for repository in repositories:
            repository.create_indexes()
        return catalog

    def ensure_organization(self, name: str) -> Organization:
        """The organization of that name, made if it is new.

        Raises:
            InvalidRequest: the name cannot be one.
        """
        require_name("organization", name)
        organization_id = ids.organization_id(name)
        organization = Organization(
            organization_id=organization_id, organization_name=name, created_at=datetime.now(UTC)
        )
        with suppress(AlreadyExists):
            return self.organizations.insert(organization)
        return self.organizations.get(organization_id)

    def ensure_namespace(self, name: str, organization: str) -> Namespace:
        """The namespace of that name in the organization of that name; what is new is made."""
        found = self.namespaces.find_by_name(name, ids.organization_id(organization))
        if found is not None:
            return found
        self.ensure_organization(organization)
        namespace = namespace_record(name, organization)
        try:
            return self.namespaces.insert(namespace)
        except AlreadyExists:
            return self.namespaces.get(namespace.namespace_id)

    def tenant(self, organization_id: str) -> Tenant:
        """What an organization may see."""
        return Tenant(self, organization_id)

    def view(self, namespace: Namespace) -> NamespaceView:
        """Nothing here asks whose namespace it is: a `Tenant` does."""
        return NamespaceView(self, namespace)

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


def namespace_record(name: str, organization: str, *, created_at: datetime | None = None) -> Namespace:
    """A namespace; its ids follow from its name and that of its organization.

    Raises:
        InvalidRequest: the name cannot be one.
    """
    require_name("namespace", name)
    organization_id = ids.organization_id(organization)
    return Namespace(
        namespace_id=ids.derived_id(ids.Prefix.NAMESPACE, organization_id, name),
        namespace_name=name,
        organization_id=organization_id,
        address=name if organization == DEFAULT_ORGANIZATION else f"{organization}/{name}",
        created_at=created_at or datetime.now(UTC),
    )
