"""Namespaces: made and deleted."""

from __future__ import annotations

from mixpeek_dagster.catalog.catalog import namespace_record
from mixpeek_dagster.catalog.records import Namespace
from mixpeek_dagster.catalog.tenant import NamespaceView, Tenant
from mixpeek_dagster.errors import InUse
from mixpeek_dagster.stores import Stores


def create_namespace(tenant: Tenant, name: str, description: str = "") -> Namespace:
    """Make a namespace.

    Raises:
        AlreadyExists: the organization has one of that name.
        InvalidRequest: the name cannot be one.
    """
    organization = tenant.catalog.organizations.get(tenant.organization_id)
    namespace = namespace_record(name, organization.organization_name).model_copy(update={"description": description})
    return tenant.namespaces.insert(namespace)


def delete_namespace(stores: Stores, view: NamespaceView) -> None:
    """Delete an empty namespace and its vectors.

    Raises:
        InUse: it still has collections, plugins, buckets or models.
    """
    held = {
        "collections": view.collections.count(),
        "plugins": view.plugins.count(),
        "buckets": view.buckets.count(),
        "models": view.models.count(),
    }
    left = ", ".join(f"{count} {kind}" for kind, count in held.items() if count)
    if left:
        name = view.namespace.namespace_name
        raise InUse(f"namespace {name!r}", why=f"it still has {left}", fix="Delete these first")
    view.catalog.namespaces.within(organization_id=view.namespace.organization_id).delete(view.id)
    stores.index.delete_namespace(view.id)
