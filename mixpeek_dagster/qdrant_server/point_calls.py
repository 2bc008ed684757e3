"""The calls on points."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mixpeek_dagster.qdrant_server import queries, replies, updates
from mixpeek_dagster.qdrant_server.body import Kinds, read
from mixpeek_dagster.qdrant_server.collection import ServedCollection
from mixpeek_dagster.qdrant_server.collection_calls import ApiCall
from mixpeek_dagster.qdrant_server.errors import Missing, WrongInput
from mixpeek_dagster.qdrant_server.filters import read_id, read_ids
from mixpeek_dagster.qdrant_server.registry import Registry

Handler = Callable[[Registry, ApiCall], Any]


def update(name: str) -> Handler:
    """The call for one kind of update, see `updates.UPDATES`."""
    prepare = updates.UPDATES[name]

    def handle(registry: Registry, call: ApiCall) -> Any:
        collection = registry.get(call.path["name"])
        return collection.apply([prepare(call.body, collection.schema.vectors)])[0]

    return handle


def update_batch(registry: Registry, call: ApiCall) -> Any:
    """`POST /points/batch`."""
    collection = registry.get(call.path["name"])
    return collection.apply(updates.batch(call.body, collection.schema.vectors))


def get_point(registry: Registry, call: ApiCall) -> Any:
    """`GET /points/{id}`: 404 if there is none."""
    collection = registry.get(call.path["name"])
    text = call.path["id"]
    point_id = read_id(int(text) if text.isdecimal() else text)
    found = collection.read(lambda shard: shard.retrieve([point_id], True, True))
    if not found:
        raise Missing(f"Point with id {point_id} does not exists!")
    return replies.record(found[0])


def retrieve(registry: Registry, call: ApiCall) -> Any:
    """`POST /points`: the points of some ids; ids that do not exist are left out."""
    collection = registry.get(call.path["name"])
    shape: dict[str, Kinds] = {"ids": list, "with_payload": (bool, list, dict), "with_vector": (bool, list)}
    fields = read(call.body, "request", shape, ("ids",))
    ids, chosen = read_ids(fields["ids"], "ids"), queries.selection(fields)
    return [replies.record(item) for item in collection.read(lambda shard: shard.retrieve(ids, *chosen))]


def scroll(registry: Registry, call: ApiCall) -> Any:
    """`POST /points/scroll`."""
    collection = registry.get(call.path["name"])
    request = queries.scroll_request(call.body)
    return replies.scroll_page(collection.read(lambda shard: shard.scroll(request)))


def count(registry: Registry, call: ApiCall) -> Any:
    """`POST /points/count`."""
    collection = registry.get(call.path["name"])
    request = queries.count_request(call.body)
    return {"count": collection.read(lambda shard: shard.count(request))}


def facet(registry: Registry, call: ApiCall) -> Any:
    """`POST /facet`: how many points have each value of a field."""
    collection = registry.get(call.path["name"])
    request = queries.facet_request(call.body)
    return replies.facet_hits(collection.read(lambda shard: shard.facet(request)))


def query(registry: Registry, call: ApiCall) -> Any:
    """`POST /points/query`."""
    return _query(registry.get(call.path["name"]), call.body)


def query_batch(registry: Registry, call: ApiCall) -> Any:
    """`POST /points/query/batch`."""
    collection = registry.get(call.path["name"])
    searches = read(call.body, "request", {"searches": list}, ("searches",))["searches"]
    return [_query(collection, search) for search in searches]


def _query(collection: ServedCollection, body: Any) -> dict[str, Any]:
    def lookup(point_id: int | str, name: str) -> list[float]:
        return _stored_vector(collection, point_id, name)

    request = queries.query_request(body, collection.schema.vectors, lookup)
    found = collection.read(lambda shard: shard.query(request))
    return {"points": [replies.scored_point(item) for item in found]}


def _stored_vector(collection: ServedCollection, point_id: int | str, name: str) -> list[float]:
    if name not in collection.schema.vectors:
        raise WrongInput(f"Not existing vector name error: {name}")
    found = collection.read(lambda shard: shard.retrieve([point_id], False, [name]))
    if not found:
        raise Missing(f"No point with id {point_id} found")
    held = found[0].vector
    vector: list[float] | None = held.get(name) if isinstance(held, dict) else held
    if not vector:
        raise WrongInput(f"Point {point_id} has no vector {name!r}")
    return vector
