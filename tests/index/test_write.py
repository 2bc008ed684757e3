"""What Qdrant holds after a write is what was written."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pandas as pd
import pytest
from qdrant_client import QdrantClient, models

from mixpeek_dagster.embedded import EmbeddedStores
from mixpeek_dagster.errors import IndexWriteError
from mixpeek_dagster.ids import document_id, point_id
from mixpeek_dagster.index.connection import connect
from mixpeek_dagster.index.point import Point
from mixpeek_dagster.index.write import upsert

SIZE = 64


@pytest.fixture
def client(embedded: EmbeddedStores) -> Iterator[QdrantClient]:
    with closing(connect(embedded.qdrant_url, None, timeout=30)) as client:
        yield client


@pytest.fixture
def collection(client: QdrantClient) -> str:
    """Vectors of the product, which Qdrant keeps as they are."""
    name = f"t{secrets.token_hex(6)}"
    client.create_collection(name, {"v": models.VectorParams(size=SIZE, distance=models.Distance.DOT)})
    return name


def _points(matrix: np.ndarray) -> list[Point]:
    names = [document_id("ns", "col", str(row), "text") for row in range(len(matrix))]
    return [
        Point(name, {"v": vector}, {"row": row}) for row, (name, vector) in enumerate(zip(names, matrix, strict=True))
    ]


def test_every_bit_of_a_vector_arrives(client: QdrantClient, collection: str) -> None:
    bits = np.random.default_rng(0).integers(0, 2**32, (100, SIZE), dtype=np.uint32)
    # All exponents of numbers that are finite, subnormal ones among them.
    matrix = np.where((bits >> 23) & 0xFF == 0xFF, bits & 0x7FFFFF, bits).astype(np.uint32).view(np.float32)
    points = _points(matrix)

    assert upsert(client, collection, points, batch_size=30) == 100

    found = client.retrieve(collection, [point_id(point.document_id) for point in points], with_vectors=True)
    held = {record.payload["row"]: record.vector["v"] for record in found}  # type: ignore[index,call-overload]
    arrived = np.array([held[row] for row in range(100)], dtype=np.float32)
    assert np.array_equal(arrived.view(np.uint32), matrix.view(np.uint32))


def test_values_that_are_no_json_arrive_as_texts(client: QdrantClient, collection: str) -> None:
    fields = {
        "at": pd.Timestamp("2026-11-26T01:02:03Z"),
        "took": pd.Timedelta(seconds=90),
        "count": np.int64(2**40),
        "nothing": float("nan"),
        "by_page": {1: "one"},
        "words": ["ä", None],
    }
    name = document_id("ns", "col", "a", "text")

    upsert(client, collection, [Point(name, {"v": np.ones(SIZE, dtype=np.float32)}, fields)], batch_size=1)

    (record,) = client.retrieve(collection, [point_id(name)])
    assert record.payload == {
        "at": "2026-11-26T01:02:03Z",
        "took": "PT1M30S",
        "count": 2**40,
        "nothing": None,
        "by_page": {"1": "one"},
        "words": ["ä", None],
    }


def test_a_batch_that_is_refused_says_what_was_written_before(client: QdrantClient, collection: str) -> None:
    points = [*_points(np.ones((4, SIZE), dtype=np.float32)), *_points(np.ones((1, SIZE + 1), dtype=np.float32))]
    with pytest.raises(IndexWriteError, match=r"after 4 that were written.*Vector dimension error"):
        upsert(client, collection, points, batch_size=2)
    assert client.count(collection).count == 4
