"""One tenant's part of the catalog: whoever holds a `Tenant` cannot reach what belongs to another."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from mixpeek_dagster.catalog.access import ApiKeys
from mixpeek_dagster.catalog.models import Models, ModelUploads
from mixpeek_dagster.catalog.plugins import Plugins, PluginUploads
from mixpeek_dagster.catalog.records import Namespace
from mixpeek_dagster.catalog.repositories import Batches, Buckets, Collections, Namespaces, Objects, Tasks
from mixpeek_dagster.errors import NotFound

if TYPE_CHECKING:
    from mixpeek_dagster.catalog.catalog import Catalog


@dataclass(frozen=True)
class Tenant:
    """An organization and what it may see."""

    catalog: Catalog
    organization_id: str

    @cached_property
    def namespaces(self) -> Namespaces:
        """The organization's namespaces."""
        return self.catalog.namespaces.within(organization_id=self.organization_id)

    @cached_property
    def keys(self) -> ApiKeys:
        """The organization's API keys."""
        return self.catalog.api_keys.within(organization_id=self.organization_id)

    @cached_property
    def plugins(self) -> Plugins:
        """Plugins of all of the organization's namespaces."""
        return self.catalog.plugins.within(organization_id=self.organization_id)

    def namespace(self, identifier: str) -> NamespaceView:
        """One of the organization's namespaces, by id or name.

        Raises:
            NotFound: the organization has none; names those there are.
        """
        found = self.namespaces.find_by_identifier(self.organization_id, identifier)
        if found is None:
            known = ", ".join(n.namespace_name for n in self.namespaces.find(self.organization_id, limit=20)) or "none"
            raise NotFound(f"namespace {identifier!r}", fix=f"There are: {known}")
        return NamespaceView(self.catalog, found)


@dataclass(frozen=True)
class NamespaceView:
    """A namespace with repositories that see nothing of other namespaces."""

    catalog: Catalog
    namespace: Namespace

    @property
    def id(self) -> str:
        return self.namespace.namespace_id

    @cached_property
    def buckets(self) -> Buckets:
        return self.catalog.buckets.within(namespace_id=self.id)

    @cached_property
    def objects(self) -> Objects:
        return self.catalog.objects.within(namespace_id=self.id)

    @cached_property
    def collections(self) -> Collections:
        return self.catalog.collections.within(namespace_id=self.id)

    @cached_property
    def batches(self) -> Batches:
        return self.catalog.batches.within(namespace_id=self.id)

    @cached_property
    def tasks(self) -> Tasks:
        return self.catalog.tasks.within(namespace_id=self.id)

    @cached_property
    def plugins(self) -> Plugins:
        """The namespace's registered plugins."""
        return self.catalog.plugins.within(namespace_id=self.id)

    @cached_property
    def plugin_uploads(self) -> PluginUploads:
        return self.catalog.plugin_uploads.within(namespace_id=self.id)

    @cached_property
    def models(self) -> Models:
        return self.catalog.models.within(namespace_id=self.id)

    @cached_property
    def model_uploads(self) -> ModelUploads:
        return self.catalog.model_uploads.within(namespace_id=self.id)
