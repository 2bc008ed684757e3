"""Points of a request, checked against the collection before anything is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import repeat
from typing import Any

import qdrant_edge as edge

from mixpeek_dagster.qdrant_server.body import ANY, read
from mixpeek_dagster.qdrant_server.errors import BadRequest, FormatError, NotOffered, WrongInput
from mixpeek_dagster.qdrant_server.filters import guarded, read_id, read_ids
from mixpeek_dagster.qdrant_server.schema import VectorParams

Vectors = Mapping[str, VectorParams]

FLOAT32_MAX = 3.4028234663852886e38
_POINT = {"id": ANY, "vector": ANY, "payload": dict}


def read_points(raw: list[Any], vectors: Vectors) -> list[Any]:
    """Points of an upsert in list form.

    Raises:
        ApiError: for the first point that does not fit; nothing of the request is used then.
    """
    points = []
    for item in raw:
        fields = read(item, "point", _POINT, ("id", "vector"))
        points.append(_point(fields["id"], fields["vector"], fields.get("payload"), vectors))
    return _some(points)


def read_batch(raw: object, vectors: Vectors) -> list[Any]:
    """Points of an upsert in batch form: parallel arrays of ids, vectors and payloads."""
    fields = read(raw, "batch", {"ids": list, "vectors": ANY, "payloads": list}, ("ids", "vectors"))
    ids = read_ids(fields["ids"], "batch.ids")
    payloads = fields.get("payloads")
    _same_length(ids, payloads, "payloads")
    rows = zip(ids, _rows(fields["vectors"], ids), payloads or repeat(None), strict=False)
    return _some([_point(point_id, vector, payload, vectors) for point_id, vector, payload in rows])


def read_point_vectors(raw: list[Any], vectors: Vectors) -> list[Any]:
    """New vectors of existing points."""
    rows = [read(item, "point", {"id": ANY, "vector": ANY}, ("id", "vector")) for item in raw]
    return _some([edge.PointVectors(read_id(row["id"]), read_vectors(row["vector"], vectors)) for row in rows])


def read_vectors(raw: object, vectors: Vectors) -> Any:
    """The vectors of one point: a bare array for the unnamed vector, or an object of named ones."""
    if isinstance(raw, list):
        return read_vector(raw, "", vectors)
    if not isinstance(raw, dict):
        raise FormatError("vector: expected an array of numbers or an object of named vectors")
    if "model" in raw and "model" not in vectors:
        raise NotOffered("inference: send vectors, not texts or images")
    return {name: read_vector(vector, name, vectors) for name, vector in raw.items()}


def read_vector(raw: object, name: str, vectors: Vectors) -> list[float]:
    """One dense vector that fits the vector `name` of the collection.

    Raises:
        WrongInput: the collection has no such vector, or one of another size.
        FormatError: an element is no number that a 32-bit float can hold.
        NotOffered: a sparse vector or a multivector.
    """
    params = vectors.get(name)
    if params is None:
        raise WrongInput(f"Not existing vector name error: {name}")
    if isinstance(raw, dict) or (isinstance(raw, list) and raw and isinstance(raw[0], list)):
        raise NotOffered(f"sparse vectors, multivectors and inference (vector {name!r})")
    if not isinstance(raw, list):
        raise FormatError(f"vector {name!r}: expected an array of numbers")
    if len(raw) != params.size:
        raise WrongInput(f"Vector dimension error: expected dim: {params.size}, got {len(raw)}")
    if not _finite(raw):
        raise FormatError(f"vector {name!r}: every element must be a finite 32-bit number")
    return raw


def _finite(vector: list[Any]) -> bool:
    try:
        # JSON has no NaN and null does not compare, so the extremes speak for all elements.
        return bool(min(vector) >= -FLOAT32_MAX and max(vector) <= FLOAT32_MAX)
    except TypeError:
        return False


def _point(point_id: object, vector: object, payload: Any, vectors: Vectors) -> Any:
    checked = read_vectors(vector, vectors)
    return guarded(lambda: edge.Point(read_id(point_id), checked, payload), "point")


def _rows(raw: object, ids: list[Any]) -> Iterator[Any]:
    if isinstance(raw, dict):
        for name, column in raw.items():
            if not isinstance(column, list):
                raise FormatError(f"batch.vectors.{name}: expected an array of vectors")
            _same_length(ids, column, f"vectors.{name}")
        return ({name: column[row] for name, column in raw.items()} for row in range(len(ids)))
    if not isinstance(raw, list):
        raise FormatError("batch.vectors: expected an array of vectors or an object of such arrays")
    _same_length(ids, raw, "vectors")
    return iter(raw)


def _same_length(ids: list[Any], column: list[Any] | None, name: str) -> None:
    if column is not None and len(column) != len(ids):
        raise WrongInput(f"number of ids and {name} must be equal: {len(ids)} and {len(column)}")


def _some(points: list[Any]) -> list[Any]:
    if not points:
        raise BadRequest("Empty update request")
    return points
