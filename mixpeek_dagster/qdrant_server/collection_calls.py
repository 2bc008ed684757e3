"""The calls on collections, their vectors and their payload indexes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mixpeek_dagster.qdrant_server import replies
from mixpeek_dagster.qdrant_server.body import ANY, Kinds, read
from mixpeek_dagster.qdrant_server.collection import ServedCollection
from mixpeek_dagster.qdrant_server.errors import NotOffered, WrongInput
from mixpeek_dagster.qdrant_server.registry import FLUSH_SECONDS, Registry
from mixpeek_dagster.qdrant_server.schema import (
    CollectionSchema,
    VectorParams,
    vectors_from_body,
    vectors_to_body,
)

# Settings that tune speed or memory, and what a collection shows for those it was not given.
_HNSW = {"m": 16, "ef_construct": 100, "full_scan_threshold": 10000, "max_indexing_threads": 0}
_OPTIMIZERS = {
    "deleted_threshold": 0.2,
    "vacuum_min_vector_number": 1000,
    "default_segment_number": 0,
    "indexing_threshold": 0,
    "flush_interval_sec": int(FLUSH_SECONDS),
}
_WAL = {"wal_capacity_mb": 32, "wal_segments_ahead": 0}
_TUNING: dict[str, Kinds] = {
    "hnsw_config": dict,
    "optimizers_config": dict,
    "wal_config": dict,
    "quantization_config": dict,
    "on_disk_payload": bool,
}
_COPIES = ("shard_number", "replication_factor", "write_consistency_factor")


@dataclass(frozen=True)
class ApiCall:
    """One request: the parameters of its path and its JSON body."""

    path: dict[str, str]
    body: Any


def list_collections(registry: Registry, _call: ApiCall) -> Any:
    return {"collections": [{"name": name} for name in registry.names()]}


def collection_exists(registry: Registry, call: ApiCall) -> Any:
    return {"exists": call.path["name"] in registry}


def get_collection(registry: Registry, call: ApiCall) -> Any:
    """`GET /collections/{name}`: counts, status and vectors."""
    collection = registry.get(call.path["name"])
    info = collection.read(lambda shard: shard.info())
    return {
        "status": "green",
        "optimizer_status": "ok",
        "points_count": info.points_count,
        "indexed_vectors_count": info.indexed_vectors_count,
        "segments_count": info.segments_count,
        "config": _config(collection.schema),
        "payload_schema": replies.payload_schema(info, collection.schema.indexes),
    }


def create_collection(registry: Registry, call: ApiCall) -> Any:
    """`PUT /collections/{name}`: with no vector, one unnamed or several named ones."""
    shape = {"vectors": dict, "sparse_vectors": dict, "metadata": dict, **dict.fromkeys(_COPIES, int), **_TUNING}
    fields = read(call.body, "collection", shape)
    if fields.get("sparse_vectors"):
        raise NotOffered("sparse vectors")
    for name in _COPIES:
        if fields.get(name, 1) != 1:
            raise NotOffered(f"{name} {fields[name]}: the data is in one process")
    registry.create(
        CollectionSchema(
            call.path["name"],
            vectors=vectors_from_body(fields.get("vectors")),
            settings={name: fields[name] for name in _TUNING if name in fields},
            metadata=fields.get("metadata", {}),
        )
    )
    return True


def update_collection(registry: Registry, call: ApiCall) -> Any:
    """`PATCH /collections/{name}`: settings and metadata."""
    fields = read(call.body, "collection update", {"metadata": dict, **_TUNING})
    metadata = fields.pop("metadata", None)
    registry.get(call.path["name"]).configure(fields, metadata)
    return True


def delete_collection(registry: Registry, call: ApiCall) -> Any:
    """`DELETE /collections/{name}`: true if there was one."""
    return registry.delete(call.path["name"])


def create_vector(registry: Registry, call: ApiCall) -> Any:
    """`PUT /collections/{name}/vectors/{vector}`: a new named vector, in place."""
    collection = registry.get(call.path["name"])
    if isinstance(call.body, dict) and "sparse" in call.body:
        raise NotOffered("sparse vectors")
    fields = read(call.body, "vector", {"dense": dict}, ("dense",))
    collection.add_vector(call.path["vector"], VectorParams.from_body(fields["dense"], "dense"))
    return _completed(collection)


def delete_vector(registry: Registry, call: ApiCall) -> Any:
    """`DELETE /collections/{name}/vectors/{vector}`."""
    collection = registry.get(call.path["name"])
    collection.drop_vector(call.path["vector"])
    return _completed(collection)


def create_index(registry: Registry, call: ApiCall) -> Any:
    """`PUT /collections/{name}/index`."""
    collection = registry.get(call.path["name"])
    fields = read(call.body, "index", {"field_name": str, "field_schema": ANY}, ("field_name",))
    if "field_schema" not in fields:
        raise WrongInput(f"field_schema of {fields['field_name']!r} is missing: name the type of the field")
    collection.add_index(fields["field_name"], fields["field_schema"])
    return _completed(collection)


def delete_index(registry: Registry, call: ApiCall) -> Any:
    """`DELETE /collections/{name}/index/{field}`."""
    collection = registry.get(call.path["name"])
    collection.drop_index(call.path["field"])
    return _completed(collection)


def _completed(collection: ServedCollection) -> dict[str, Any]:
    return {"operation_id": collection.next_operation(), "status": "completed"}


def _config(schema: CollectionSchema) -> dict[str, Any]:
    settings = schema.settings
    return {
        "params": {
            "vectors": vectors_to_body(schema.vectors),
            **dict.fromkeys(_COPIES, 1),
            "on_disk_payload": settings.get("on_disk_payload", True),
        },
        "hnsw_config": {**_HNSW, **settings.get("hnsw_config", {})},
        "optimizer_config": {**_OPTIMIZERS, **settings.get("optimizers_config", {})},
        "wal_config": {**_WAL, **settings.get("wal_config", {})},
        "quantization_config": settings.get("quantization_config"),
        "metadata": schema.metadata or None,
    }
