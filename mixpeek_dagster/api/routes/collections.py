"""Collections of a namespace: a source and a plugin."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Annotated

from fastapi import APIRouter, Path

from mixpeek_dagster import ids
from mixpeek_dagster.api.access import ApiState, HeaderReader, HeaderRemover, HeaderWriter, State, require_operator
from mixpeek_dagster.api.pages import WantedPage, pagination
from mixpeek_dagster.api.schemas.collections import (
    CollectionDeleted,
    CollectionItem,
    CollectionList,
    CollectionReply,
    CollectionSource,
    CreateCollection,
    WantedExtractor,
)
from mixpeek_dagster.catalog.plugins import PluginRecord
from mixpeek_dagster.catalog.records import SourceReference
from mixpeek_dagster.catalog.tenant import NamespaceView
from mixpeek_dagster.errors import InvalidRequest
from mixpeek_dagster.operations.collections import (
    create_collection,
    delete_collection,
    source_of_bucket,
    source_of_collection,
)
from mixpeek_dagster.operations.plugins import find_plugin
from mixpeek_dagster.plugins.manifest import normal_version
from mixpeek_dagster.stores import Stores

router = APIRouter(prefix="/collections", tags=["collections"])

_Identifier = Annotated[str, Path(description="Collection, by id or name.", examples=["talks"])]


@router.post("", status_code=201, summary="Make a collection")
def post_collection(view: HeaderWriter, state: State, wanted: CreateCollection) -> CollectionReply:
    """Plugin, parameters and vectors are checked first; then its vectors are made and it appears in Dagster."""
    extractor = wanted.feature_extractor
    plugin = _plugin(state, view, extractor)
    collection = create_collection(
        state.stores,
        view.namespace,
        wanted.collection_name,
        plugin=plugin,
        source=_source(state.stores, view, wanted.source),
        parameters=extractor.parameters,
        input_mappings=extractor.input_mappings,
    )
    state.graph.request()
    return CollectionReply.counted(collection, state.stores)


@router.post("/list", summary="List collections")
def list_collections(view: HeaderReader, wanted: WantedPage) -> CollectionList:
    """The namespace's collections, by name."""
    found = view.collections.find(view.id, skip=wanted.offset, limit=wanted.limit + 1)
    total = view.collections.count() if wanted.include_total else None
    results = [CollectionItem.of(collection) for collection in found[: wanted.limit]]
    return CollectionList(results=results, pagination=pagination(wanted, len(found), total))


@router.get("/{collection}", summary="One collection")
def get_collection(view: HeaderReader, state: State, collection: _Identifier) -> CollectionReply:
    """With its vectors and the number of its documents."""
    return CollectionReply.counted(view.collections.get_by_identifier(view.id, collection), state.stores)


@router.delete("/{collection}", summary="Delete a collection and its documents")
def remove_collection(view: HeaderRemover, state: State, collection: _Identifier) -> CollectionDeleted:
    """Refused while another collection is fed by it."""
    found = view.collections.get_by_identifier(view.id, collection)
    count = delete_collection(state.stores, found)
    state.graph.request()
    message = f"collection {found.collection_name} and its {count} documents were deleted"
    return CollectionDeleted(collection_id=found.collection_id, documents=count, message=message)


def _plugin(state: ApiState, view: NamespaceView, wanted: WantedExtractor) -> FilePath | PluginRecord:
    named = wanted.feature_extractor_name is not None and wanted.version is not None
    if [named, wanted.feature_extractor_id is not None, wanted.folder is not None].count(True) != 1:
        fix = "Give feature_extractor_name and version, or feature_extractor_id"
        raise InvalidRequest("feature_extractor", why="it does not name exactly one plugin", fix=fix)
    if wanted.folder is not None:
        why = "a folder of the client's is not here to be read at each run"
        require_operator(state, "feature_extractor.folder", why, "Run `mixpeek plugin push`, and name the plugin's id")
        return FilePath(wanted.folder)
    if wanted.feature_extractor_id is not None:
        return find_plugin(view, wanted.feature_extractor_id)
    version = normal_version(wanted.version or "") or wanted.version or ""
    return find_plugin(view, ids.plugin_id(wanted.feature_extractor_name or "", version))


def _source(stores: Stores, view: NamespaceView, wanted: CollectionSource) -> SourceReference:
    if wanted.type == "bucket":
        if not wanted.bucket_ids or wanted.collection_id:
            raise InvalidRequest("source", why="type bucket needs bucket_ids with one bucket, and no collection_id")
        return source_of_bucket(stores, view, wanted.bucket_ids[0], wanted.source_filters, make=wanted.make_bucket)
    if not wanted.collection_id or wanted.bucket_ids:
        raise InvalidRequest("source", why="type collection needs collection_id, and no bucket_ids")
    return source_of_collection(view, wanted.collection_id, wanted.source_filters)
