"""Collections of a namespace: a source and a plugin."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from mixpeek_dagster import ids
from mixpeek_dagster.api.access import HeaderReader, HeaderRemover, HeaderWriter, State
from mixpeek_dagster.api.pages import Pagination, WantedPage, pagination
from mixpeek_dagster.catalog.records import Collection, Name, Source, VectorIndex
from mixpeek_dagster.catalog.tenant import NamespaceView
from mixpeek_dagster.errors import InvalidRequest
from mixpeek_dagster.operations.collections import create_collection, delete_collection
from mixpeek_dagster.operations.plugins import find_plugin
from mixpeek_dagster.plugins.manifest import normal_version
from mixpeek_dagster.stores import Stores

router = APIRouter(prefix="/collections", tags=["collections"])

_Identifier = Annotated[str, Path(description="Collection, by id or name.", examples=["talks"])]


class CollectionSource(BaseModel):
    """What feeds a collection: exactly one bucket or collection, by id or name."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["bucket", "collection"] = Field(examples=["bucket"])
    bucket_ids: list[str] = Field(default=[], max_length=1, examples=[["talks"]])
    collection_id: str | None = None
    source_filters: dict[str, Any] = Field(default={}, description="Only rows that match are processed.")


class FeatureExtractor(BaseModel):
    """Which plugin, and how."""

    model_config = ConfigDict(extra="forbid")

    feature_extractor_name: str = Field(examples=["my_extractor"])
    version: str = Field(examples=["1.0.0"])
    parameters: dict[str, Any] = Field(default={}, examples=[{"threshold": 0.8}])
    input_mappings: dict[str, str] = Field(default={}, description="Input field of the plugin: source field.")


class CreateCollection(BaseModel):
    """A collection to make."""

    model_config = ConfigDict(extra="forbid")

    collection_name: Name = Field(examples=["talks"])
    source: CollectionSource
    feature_extractor: FeatureExtractor


class CollectionReply(BaseModel):
    """A collection."""

    collection_id: str
    collection_name: str
    namespace_id: str
    source: Source
    feature_extractor: FeatureExtractor
    plugin_id: str
    vector_indexes: list[VectorIndex] = Field(description="Empty only if its plugin makes no vectors.")
    enabled: bool
    document_count: int = Field(description="Counted in Qdrant.")
    created_at: datetime

    @classmethod
    def of(cls, collection: Collection, stores: Stores) -> CollectionReply:
        """The collection, its documents counted."""
        count = stores.index.count_documents(collection.namespace_id, collection.collection_id)
        return cls(document_count=count, **_fields(collection))


class CollectionItem(BaseModel):
    """A collection in a list."""

    collection_id: str
    collection_name: str
    source: Source
    feature_extractor: FeatureExtractor
    vector_indexes: list[VectorIndex]
    enabled: bool
    created_at: datetime


class CollectionList(BaseModel):
    """Collections."""

    success: Literal[True] = True
    results: list[CollectionItem]
    pagination: Pagination


class CollectionDeleted(BaseModel):
    """A collection was deleted."""

    success: Literal[True] = True
    collection_id: str
    message: str


@router.post("", status_code=201, summary="Make a collection")
def post_collection(view: HeaderWriter, state: State, wanted: CreateCollection) -> CollectionReply:
    """Plugin, parameters and vectors are checked first; then its vectors are made and it appears in Dagster."""
    extractor = wanted.feature_extractor
    version = normal_version(extractor.version) or extractor.version
    plugin = find_plugin(view, ids.plugin_id(extractor.feature_extractor_name, version))
    collection = create_collection(
        state.stores,
        view.namespace,
        wanted.collection_name,
        plugin=plugin,
        source=_source(view, wanted.source),
        parameters=extractor.parameters,
        input_mappings=extractor.input_mappings,
    )
    state.graph.request()
    return CollectionReply.of(collection, state.stores)


@router.post("/list", summary="List collections")
def list_collections(view: HeaderReader, wanted: WantedPage) -> CollectionList:
    """The namespace's collections, by name."""
    found = view.collections.find(view.id, skip=wanted.offset, limit=wanted.limit + 1)
    total = view.collections.count() if wanted.include_total else None
    results = [CollectionItem.model_validate(_fields(collection)) for collection in found[: wanted.limit]]
    return CollectionList(results=results, pagination=pagination(wanted, len(found), total))


@router.get("/{collection}", summary="One collection")
def get_collection(view: HeaderReader, state: State, collection: _Identifier) -> CollectionReply:
    """With its vectors and the number of its documents."""
    return CollectionReply.of(view.collections.get_by_identifier(view.id, collection), state.stores)


@router.delete("/{collection}", summary="Delete a collection and its documents")
def remove_collection(view: HeaderRemover, state: State, collection: _Identifier) -> CollectionDeleted:
    """Refused while another collection is fed by it."""
    found = view.collections.get_by_identifier(view.id, collection)
    count = delete_collection(state.stores, found)
    state.graph.request()
    message = f"collection {found.collection_name} and its {count} documents were deleted"
    return CollectionDeleted(collection_id=found.collection_id, message=message)


def _source(view: NamespaceView, wanted: CollectionSource) -> Source:
    if wanted.type == "bucket":
        if not wanted.bucket_ids or wanted.collection_id:
            raise InvalidRequest("source", why="type bucket needs bucket_ids with one bucket, and no collection_id")
        bucket = view.buckets.get_by_identifier(view.id, wanted.bucket_ids[0])
        return Source(type="bucket", bucket_id=bucket.bucket_id, source_filters=wanted.source_filters)
    if not wanted.collection_id or wanted.bucket_ids:
        raise InvalidRequest("source", why="type collection needs collection_id, and no bucket_ids")
    feeding = view.collections.get_by_identifier(view.id, wanted.collection_id)
    return Source(type="collection", collection_id=feeding.collection_id, source_filters=wanted.source_filters)


def _fields(collection: Collection) -> dict[str, Any]:
    extractor = FeatureExtractor(
        feature_extractor_name=collection.plugin.name,
        version=collection.plugin.version,
        parameters=collection.parameters,
        input_mappings=collection.input_mappings,
    )
    return {
        **collection.model_dump(exclude={"plugin", "parameters", "input_mappings"}),
        "feature_extractor": extractor.model_dump(),
        "plugin_id": collection.plugin.plugin_id,
    }
