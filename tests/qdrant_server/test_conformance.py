"""The unmodified qdrant-client gets from our server what it gets from its own local mode."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
from qdrant_client import QdrantClient
from qdrant_client import models as m
from qdrant_client.http.exceptions import UnexpectedResponse

A = "5c56c793-69f3-4fbf-87e6-c4bf54c28c26"
RED = m.Filter(must=[m.FieldCondition(key="color", match=m.MatchValue(value="red"))])

READS: dict[str, Callable[[QdrantClient, str], Any]] = {
    "retrieve": lambda c, n: c.retrieve(n, [1, A, 99], with_vectors=True),
    "retrieve without payload": lambda c, n: c.retrieve(n, [1], with_payload=False),
    "retrieve some vectors": lambda c, n: c.retrieve(n, [1, 2], with_vectors=["small"]),
    "retrieve some payload": lambda c, n: c.retrieve(n, [1], with_payload=["color"]),
    "payload exclude": lambda c, n: c.retrieve(n, [1], with_payload=m.PayloadSelectorExclude(exclude=["color", "at"])),
    "count": lambda c, n: c.count(n, exact=True),
    "scroll": lambda c, n: c.scroll(n, limit=3),
    "scroll on": lambda c, n: c.scroll(n, limit=10, offset=3),
    "scroll with vectors": lambda c, n: c.scroll(n, limit=10, with_vectors=True, with_payload=False),
    "search": lambda c, n: c.query_points(n, [1.0, 0.2, 0.0, 0.0], using="wide", limit=3),
    "search dot": lambda c, n: c.query_points(n, [1.0, 0.6], using="small", with_payload=True),
    "search with vectors": lambda c, n: c.query_points(n, [1.0, 0.6], using="small", with_vectors=["small"]),
    "search filtered": lambda c, n: c.query_points(n, [1.0, 0.6], using="small", query_filter=RED),
    "search threshold": lambda c, n: c.query_points(n, [1.0, 0.3], using="small", score_threshold=0.9),
    "search offset": lambda c, n: c.query_points(n, [1.0, 0.6], using="small", limit=1, offset=1),
    "search by id": lambda c, n: c.query_points(n, 1, using="small"),
    "search by nearest object": lambda c, n: c.query_points(n, m.NearestQuery(nearest=1), using="small"),
    "search by id, filtered": lambda c, n: c.query_points(n, 1, using="small", query_filter=RED),
    "prefetch and rescore": lambda c, n: c.query_points(
        n, [1.0, 0.6], using="small", prefetch=m.Prefetch(query=[1.0, 0.2, 0, 0], using="wide", limit=2)
    ),
    "fusion rrf": lambda c, n: c.query_points(
        n,
        m.FusionQuery(fusion=m.Fusion.RRF),
        prefetch=[
            m.Prefetch(query=[1.0, 0.9], using="small", limit=3),
            m.Prefetch(query=[0.1, 0.9, 0.0, 0.0], using="wide", limit=3),
        ],
    ),
    "fusion dbsf": lambda c, n: c.query_points(
        n,
        m.FusionQuery(fusion=m.Fusion.DBSF),
        prefetch=[
            m.Prefetch(query=[1.0, 0.9], using="small", limit=3),
            m.Prefetch(query=[0.1, 0.9, 0.0, 0.0], using="wide", limit=3),
        ],
    ),
    "query batch": lambda c, n: c.query_batch_points(
        n,
        [
            m.QueryRequest(query=[1.0, 0.6], using="small", limit=1),
            m.QueryRequest(query=[0.0, 0.0, 1.0, 0.0], using="wide", limit=1, with_payload=True),
        ],
    ),
}

WRITES: dict[str, Callable[[QdrantClient, str], Any]] = {
    "upsert replaces": lambda c, n: c.upsert(n, [m.PointStruct(id=1, vector={"small": [9.0, 9.0]}, payload={"n": 1})]),
    "upsert batch form": lambda c, n: c.upsert(
        n,
        m.Batch(
            ids=[1, 20],
            vectors={"small": [[7.0, 7.0], [8.0, 8.0]], "wide": [[1.0, 0, 0, 0], [0, 1.0, 0, 0]]},
            payloads=[{"batch": 1}, {"batch": 2}],
        ),
    ),
    "upload points": lambda c, n: c.upload_points(
        n, [m.PointStruct(id=30 + i, vector={"small": [float(i), 1.0]}, payload={"i": i}) for i in range(10)]
    ),
    "update vectors": lambda c, n: c.update_vectors(n, [m.PointVectors(id=3, vector={"wide": [0.0, 1.0, 0.0, 0.0]})]),
    "delete vectors": lambda c, n: c.delete_vectors(n, vectors=["small"], points=[1]),
    "delete ids": lambda c, n: c.delete(n, [1, A, 99]),
    "delete filter": lambda c, n: c.delete(n, RED),
    "set payload": lambda c, n: c.set_payload(n, {"new": 1}, points=[1, 2]),
    "set payload at a key": lambda c, n: c.set_payload(n, {"z": 1}, points=[3], key="deep"),
    "set payload by filter": lambda c, n: c.set_payload(n, {"new": 1}, points=RED),
    "overwrite payload": lambda c, n: c.overwrite_payload(n, {"only": "this"}, points=[1]),
    "delete payload": lambda c, n: c.delete_payload(n, keys=["color", "tags"], points=[1, 2]),
    "clear payload": lambda c, n: c.clear_payload(n, [1]),
    "batch update": lambda c, n: c.batch_update_points(
        n,
        [
            m.UpsertOperation(upsert=m.PointsList(points=[m.PointStruct(id=40, vector={"small": [4.0, 0.0]})])),
            m.SetPayloadOperation(set_payload=m.SetPayload(payload={"late": True}, points=[40])),
            m.DeleteOperation(delete=m.PointIdsList(points=[2])),
        ],
    ),
}


def plain(reply: Any, number: Callable[[float], Any] = float) -> Any:
    """A reply as plain data, without the versions of points."""
    if isinstance(reply, tuple | list):
        return [plain(item, number) for item in reply]
    if isinstance(reply, dict):
        return {key: plain(value, number) for key, value in sorted(reply.items()) if key != "version"}
    if hasattr(reply, "model_dump"):
        return plain(reply.model_dump(), number)
    return number(reply) if isinstance(reply, float) else reply


def near(number: float) -> Any:
    return pytest.approx(number, abs=1e-5)


def contents(client: QdrantClient, name: str, number: Callable[[float], Any] = float) -> Any:
    records, _ = client.scroll(name, limit=100, with_vectors=True)
    return [plain(record, number) for record in sorted(records, key=lambda record: str(record.id))]


@pytest.mark.parametrize("case", READS)
def test_reads_give_the_same_reply(filled: Any, case: str) -> None:
    ours, local, name = filled
    assert plain(READS[case](ours, name)) == plain(READS[case](local, name), near)


@pytest.mark.parametrize("case", WRITES)
def test_writes_leave_the_same_points(both: Any, case: str) -> None:
    ours, local, name = both
    WRITES[case](ours, name)
    WRITES[case](local, name)
    assert contents(ours, name) == contents(local, name, near)


def test_the_version_check_of_the_client_passes(server: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        client = QdrantClient(url=server.url, check_compatibility=True)
        assert client.info().version
    client.close()


def test_the_collections_can_be_listed_and_asked_for(filled: Any) -> None:
    ours, _, name = filled
    assert name in [collection.name for collection in ours.get_collections().collections]
    assert ours.collection_exists(name)
    assert not ours.collection_exists("no-such-collection")
    info = ours.get_collection(name)
    assert info.points_count == 5
    assert {held: (p.size, p.distance) for held, p in info.config.params.vectors.items()} == {
        "small": (2, "Dot"),
        "wide": (4, "Cosine"),
    }
    assert ours.delete_collection("no-such-collection") is False


def test_an_unnamed_vector_works(server: Any) -> None:
    client = server.client()
    client.create_collection("unnamed", vectors_config=m.VectorParams(size=2, distance=m.Distance.EUCLID))
    client.upsert("unnamed", m.Batch(ids=[1, 2], vectors=[[0.0, 1.0], [0.0, 5.0]]))
    assert client.get_collection("unnamed").config.params.vectors.size == 2
    assert [point.id for point in client.query_points("unnamed", [0.0, 4.0]).points] == [2, 1]
    assert client.retrieve("unnamed", [1], with_vectors=True)[0].vector == [0.0, 1.0]
    client.close()


def test_vectors_are_added_and_removed_in_place(server: Any) -> None:
    client = server.client()
    client.create_collection("grown", vectors_config={})
    client.upsert("grown", [m.PointStruct(id=1, vector={}, payload={"kept": True})])
    for name, size in (("a/b.c", 3), ("second", 2)):
        config = m.DenseVectorNameConfig(dense=m.DenseVectorConfig(size=size, distance=m.Distance.DOT))
        client.create_vector_name("grown", name, config)
        client.create_vector_name("grown", name, config)
    client.update_vectors("grown", [m.PointVectors(id=1, vector={"a/b.c": [1.0, 2.0, 3.0], "second": [1.0, 1.0]})])
    assert client.query_points("grown", [1.0, 1.0, 1.0], using="a/b.c").points[0].score == 6
    client.delete_vector_name("grown", "a/b.c")
    record = client.retrieve("grown", [1], with_vectors=True)[0]
    assert (record.payload, record.vector) == ({"kept": True}, {"second": [1.0, 1.0]})
    assert set(client.get_collection("grown").config.params.vectors) == {"second"}
    client.close()


def test_payload_indexes_serve_ordering_and_facets(both: Any) -> None:
    ours, _, name = both
    with pytest.raises(UnexpectedResponse, match="No appropriate index for faceting: `color`"):
        ours.facet(name, "color")
    ours.create_payload_index(name, "color", m.PayloadSchemaType.KEYWORD)
    ours.create_payload_index(
        name, "size", m.IntegerIndexParams(type=m.IntegerIndexType.INTEGER, lookup=True, range=True)
    )
    ours.create_payload_index(
        name, "words", m.TextIndexParams(type=m.TextIndexType.TEXT, tokenizer=m.TokenizerType.WORD)
    )
    schema = ours.get_collection(name).payload_schema
    assert {key: (index.data_type, index.points) for key, index in schema.items()} == {
        "color": ("keyword", 4),
        "size": ("integer", 4),
        "words": ("text", 0),
    }
    hits = ours.facet(name, "color", exact=True).hits
    assert {hit.value: hit.count for hit in hits} == {"red": 2, "green": 1, "blue": 1}
    records, _ = ours.scroll(name, order_by=m.OrderBy(key="size", direction=m.Direction.DESC), limit=2)
    assert [record.payload["size"] for record in records] == [4, 3]
    ours.delete_payload_index(name, "color")
    assert set(ours.get_collection(name).payload_schema) == {"size", "words"}


def test_metadata_and_settings_are_kept_and_merged(server: Any) -> None:
    client = server.client()
    client.create_collection("described", vectors_config={}, metadata={"a": 1}, hnsw_config=m.HnswConfigDiff(m=8))
    client.update_collection("described", metadata={"b": 2})
    config = client.get_collection("described").config
    assert config.metadata == {"a": 1, "b": 2}
    assert config.hnsw_config.m == 8
    client.close()


def test_a_point_that_came_unacknowledged_is_there_all_the_same(both: Any) -> None:
    ours, _, name = both
    ours.upsert(name, [m.PointStruct(id=50, vector={"small": [1.0, 1.0]})], wait=False)
    assert ours.count(name, m.Filter(must=[m.HasIdCondition(has_id=[50])])).count == 1


def test_an_upsert_may_be_conditional(both: Any) -> None:
    ours, _, name = both
    new = [m.PointStruct(id=i, vector={}, payload={"color": "new"}) for i in (1, 60)]
    ours.upsert(name, new, update_mode=m.UpdateMode.INSERT_ONLY)
    assert [record.payload["color"] for record in ours.retrieve(name, [1, 60])] == ["red", "new"]
