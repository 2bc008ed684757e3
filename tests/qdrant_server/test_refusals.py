"""What a Qdrant server refuses, ours refuses: same status, same words, nothing written."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from qdrant_client import QdrantClient
from qdrant_client import models as m
from qdrant_client.http.exceptions import UnexpectedResponse

NAME = "refusals"
GOOD = m.PointStruct(id=1, vector={"small": [1.0, 0.0]})


@pytest.fixture(scope="module")
def client(server: Any) -> Any:
    client = server.client()
    vectors = {
        "small": m.VectorParams(size=2, distance=m.Distance.DOT),
        "wide": m.VectorParams(size=4, distance=m.Distance.COSINE),
    }
    client.create_collection(NAME, vectors_config=vectors)
    yield client
    client.delete_collection(NAME)
    client.close()


def upsert(vector: Any, wait: bool = True) -> Callable[[QdrantClient], Any]:
    return lambda c: c.upsert(NAME, [GOOD, m.PointStruct(id=2, vector=vector)], wait=wait)


def raw(method: str, path: str, body: Any) -> Callable[[QdrantClient], Any]:
    """A request that the client would not send."""

    def send(client: QdrantClient) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        reply = httpx.request(method, f"{client.init_options['url']}/collections/{NAME}{path}", content=content)
        if reply.status_code != 200:
            raise UnexpectedResponse.for_response(reply)

    return send


REFUSED: dict[str, tuple[Callable[[QdrantClient], Any], int, str]] = {
    "unknown vector": (upsert({"x": [1.0, 2.0]}), 400, "Wrong input: Not existing vector name error: x"),
    "unnamed vector": (upsert([1.0, 2.0]), 400, "Wrong input: Not existing vector name error: "),
    "wrong size": (
        upsert({"wide": [1.0, 2.0, 3.0]}),
        400,
        "Wrong input: Vector dimension error: expected dim: 4, got 3",
    ),
    "wrong size, not waiting": (
        upsert({"wide": [1.0, 2.0, 3.0]}, wait=False),
        400,
        "Wrong input: Vector dimension error: expected dim: 4, got 3",
    ),
    "empty vector": (upsert({"small": []}), 400, "Wrong input: Vector dimension error: expected dim: 2, got 0"),
    "NaN": (upsert({"small": [1.0, float("nan")]}), 400, "Format error in JSON body: vector 'small'"),
    "infinity": (upsert({"small": [1.0, float("inf")]}), 400, "Format error in JSON body: vector 'small'"),
    "too large for 32 bits": (upsert({"small": [1.0, 1e300]}), 400, "Format error in JSON body: vector 'small'"),
    "bare NaN": (
        raw("PUT", "/points", b'{"points":[{"id":1,"vector":{"small":[NaN,1]}}]}'),
        400,
        "Format error in JSON body: ",
    ),
    "text in a vector": (
        raw("PUT", "/points", {"points": [{"id": 1, "vector": {"small": ["1", "2"]}}]}),
        400,
        "Format error in JSON body: vector 'small'",
    ),
    "no JSON": (raw("PUT", "/points", b"{"), 400, "Format error in JSON body: "),
    "no vector": (raw("PUT", "/points", {"points": [{"id": 1}]}), 400, "point: missing field `vector`"),
    "id is a word": (
        raw("PUT", "/points", {"points": [{"id": "abc", "vector": {}}]}),
        400,
        "value abc is not a valid point ID, valid values are either an unsigned integer or a UUID",
    ),
    "id is negative": (raw("PUT", "/points", {"points": [{"id": -1, "vector": {}}]}), 400, "not a valid point ID"),
    "no points": (lambda c: c.upsert(NAME, []), 400, "Bad request: Empty update request"),
    "batch of unequal length": (
        raw("PUT", "/points", {"batch": {"ids": [1, 2], "vectors": {"small": [[1.0, 2.0]]}}}),
        400,
        "must be equal: 2 and 1",
    ),
    "missing collection": (
        lambda c: c.upsert("nowhere", [GOOD]),
        404,
        "Not found: Collection `nowhere` doesn't exist!",
    ),
    "missing collection, search": (lambda c: c.query_points("nowhere", [1.0]), 404, "Collection `nowhere`"),
    "missing collection, vector": (
        lambda c: c.delete_vector_name("nowhere", "x"),
        404,
        "Collection `nowhere`",
    ),
    "collection exists": (
        lambda c: c.create_collection(NAME, vectors_config={}),
        409,
        f"Wrong input: Collection `{NAME}` already exists!",
    ),
    "collection name": (lambda c: c.create_collection("a:b", vectors_config={}), 422, "Validation error"),
    "vector of size 0": (
        raw("PUT", "/vectors/nought", {"dense": {"size": 0, "distance": "Dot"}}),
        422,
        "dense.size: value 0 invalid",
    ),
    "vector held with another size": (
        lambda c: c.create_vector_name(
            NAME, "small", m.DenseVectorNameConfig(dense=m.DenseVectorConfig(size=3, distance=m.Distance.DOT))
        ),
        400,
        "Wrong input: vector 'small' already exists with different parameters",
    ),
    "delete unknown vector": (lambda c: c.delete_vector_name(NAME, "x"), 400, "Not existing vector name error: x"),
    "search unknown vector": (
        lambda c: c.query_points(NAME, [1.0], using="x"),
        400,
        "Wrong input: Not existing vector name error: x",
    ),
    "search wrong size": (
        lambda c: c.query_points(NAME, [1.0], using="small"),
        400,
        "Wrong input: Vector dimension error: expected dim: 2, got 1",
    ),
    "search by unknown id": (
        lambda c: c.query_points(NAME, 4711, using="small"),
        404,
        "Not found: No point with id 4711 found",
    ),
    "search limit 0": (lambda c: c.query_points(NAME, [1.0, 0.0], using="small", limit=0), 422, "must be 1 or larger"),
    "prefetch without query": (
        lambda c: c.query_points(NAME, prefetch=m.Prefetch(query=[1.0, 0.0], using="small")),
        400,
        "A query is needed to merge the prefetches",
    ),
    "fusion without prefetch": (
        lambda c: c.query_points(NAME, m.FusionQuery(fusion=m.Fusion.RRF)),
        400,
        "cannot apply Fusion without prefetches",
    ),
    "order without index": (
        lambda c: c.scroll(NAME, order_by="size"),
        400,
        "Wrong input: No range index for `order_by` key: `size`",
    ),
    "payload of unknown point": (
        lambda c: c.set_payload(NAME, {"a": 1}, points=[4711]),
        404,
        "Not found: No point with id 4711 found",
    ),
    "index of unknown type": (
        raw("PUT", "/index", {"field_name": "a", "field_schema": "colour"}),
        400,
        "unknown variant `colour`, expected one of keyword",
    ),
    "unknown condition": (
        raw("POST", "/points/count", {"filter": {"must": [{"key": "a", "match": {"like": "b"}}]}}),
        400,
        "match: expected one of value",
    ),
    "unknown field": (
        raw("POST", "/points/count", {"filtre": {}}),
        501,
        "field `filtre` of count request",
    ),
    "wrong type": (raw("POST", "/points/scroll", {"limit": True}), 400, "scroll request.limit: expected an integer"),
    "sparse vectors": (
        lambda c: c.create_collection("s", vectors_config={}, sparse_vectors_config={"t": m.SparseVectorParams()}),
        501,
        "Not implemented by the embedded Qdrant server: sparse vectors",
    ),
    "multivectors": (upsert({"small": [[1.0, 0.0], [0.0, 1.0]]}), 501, "multivectors"),
    "recommendation": (
        lambda c: c.query_points(NAME, m.RecommendQuery(recommend=m.RecommendInput(positive=[1])), using="small"),
        501,
        "queries by 'recommend'",
    ),
    "groups": (
        lambda c: c.query_points_groups(NAME, "color", query=[1.0, 0.0], using="small"),
        501,
        f"POST /collections/{NAME}/points/query/groups",
    ),
    "snapshots": (lambda c: c.create_snapshot(NAME), 501, f"POST /collections/{NAME}/snapshots"),
    "aliases": (lambda c: c.get_aliases(), 501, "GET /aliases"),
    "two replicas": (
        lambda c: c.create_collection("r", vectors_config={}, replication_factor=2),
        501,
        "replication_factor 2",
    ),
    "float16": (
        lambda c: c.create_collection(
            "f", vectors_config={"a": m.VectorParams(size=2, distance=m.Distance.DOT, datatype=m.Datatype.FLOAT16)}
        ),
        501,
        "datatype 'float16'",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(client: QdrantClient, case: str) -> None:
    call, status, message = REFUSED[case]
    with pytest.raises(UnexpectedResponse) as refusal:
        call(client)
    envelope = json.loads(refusal.value.content)
    assert refusal.value.status_code == status
    assert message in envelope["status"]["error"]
    assert envelope["result"] is None
    assert envelope["time"] >= 0
    assert client.count(NAME).count == 0


def test_no_operation_of_a_batch_is_written_when_one_is_refused(client: QdrantClient) -> None:
    bad = m.PointStruct(id=2, vector={"small": [1.0]})
    operations = [m.UpsertOperation(upsert=m.PointsList(points=[point])) for point in (GOOD, bad)]
    with pytest.raises(UnexpectedResponse, match="expected dim: 2, got 1"):
        client.batch_update_points(NAME, operations)
    assert client.count(NAME).count == 0


@pytest.mark.parametrize(("method", "path"), [("GET", "/telemetry"), ("POST", "/x"), ("DELETE", "/collections")])
def test_a_call_that_is_not_there_is_named(server: Any, method: str, path: str) -> None:
    reply = httpx.request(method, server.url + path)
    assert reply.status_code == 501
    error = reply.json()["status"]["error"]
    assert error == f"Not implemented by the embedded Qdrant server: {method} {path}"
