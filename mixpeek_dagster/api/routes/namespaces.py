"""Namespaces of the organization."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from mixpeek_dagster.api.access import PathReader, PathRemover, Reader, State, Writer
from mixpeek_dagster.api.pages import Pagination, WantedPage, pagination
from mixpeek_dagster.catalog.records import Name, Namespace
from mixpeek_dagster.catalog.tenant import NamespaceView
from mixpeek_dagster.operations.namespaces import create_namespace, delete_namespace
from mixpeek_dagster.stores import Stores

router = APIRouter(prefix="/namespaces", tags=["namespaces"])


class CreateNamespace(BaseModel):
    """A name that is free in the organization; vectors come with the collections that need them."""

    model_config = ConfigDict(extra="forbid")

    namespace_name: Name = Field(examples=["talks"])
    description: str = Field("", max_length=500)


class NamespaceReply(BaseModel):
    """A namespace and how much it holds."""

    namespace_id: str
    namespace_name: str
    description: str
    created_at: datetime
    document_count: int
    bucket_count: int
    collection_count: int
    plugin_count: int
    vectors: list[str] = Field(description="Names of its vectors.")

    @classmethod
    def of(cls, view: NamespaceView, stores: Stores) -> NamespaceReply:
        """Count what it holds: one query to Qdrant and four to the catalog."""
        return cls(
            **view.namespace.model_dump(include={"namespace_id", "namespace_name", "description", "created_at"}),
            document_count=stores.index.count_documents(view.id),
            bucket_count=view.buckets.count(),
            collection_count=view.collections.count(),
            plugin_count=view.plugins.count(),
            vectors=stores.index.vector_names(view.id),
        )


class NamespaceItem(BaseModel):
    """A namespace without the counts, which would take queries for each."""

    namespace_id: str
    namespace_name: str
    description: str
    created_at: datetime

    @classmethod
    def of(cls, namespace: Namespace) -> NamespaceItem:
        """What a list shows of a namespace."""
        return cls(**namespace.model_dump(include=set(cls.model_fields)))


class NamespaceList(BaseModel):
    """One page of the namespaces that the key may see, by name."""

    success: Literal[True] = True
    results: list[NamespaceItem]
    pagination: Pagination


class NamespaceDeleted(BaseModel):
    """The namespace that is gone; it was empty."""

    success: Literal[True] = True
    namespace_id: str
    message: str


@router.post("", status_code=201, summary="Make a namespace")
def post_namespace(tenant: Writer, state: State, wanted: CreateNamespace) -> NamespaceReply:
    """Its vectors are made when a collection needs them."""
    namespace = create_namespace(tenant, wanted.namespace_name, wanted.description)
    return NamespaceReply.of(tenant.catalog.view(namespace), state.stores)


@router.post("/list", summary="List namespaces")
def list_namespaces(tenant: Reader, wanted: WantedPage) -> NamespaceList:
    """The organization's namespaces, by name."""
    found = tenant.namespaces.find(tenant.organization_id, skip=wanted.offset, limit=wanted.limit + 1)
    total = tenant.namespaces.count() if wanted.include_total else None
    results = [NamespaceItem.of(namespace) for namespace in found[: wanted.limit]]
    return NamespaceList(results=results, pagination=pagination(wanted, len(found), total))


@router.get("/{namespace}", summary="One namespace")
def get_namespace(view: PathReader, state: State) -> NamespaceReply:
    """With its counts and vectors."""
    return NamespaceReply.of(view, state.stores)


@router.delete("/{namespace}", summary="Delete an empty namespace")
def remove_namespace(view: PathRemover, state: State) -> NamespaceDeleted:
    """Refused while it has buckets, collections or plugins."""
    delete_namespace(state.stores, view)
    return NamespaceDeleted(namespace_id=view.id, message=f"namespace {view.namespace.namespace_name} was deleted")
