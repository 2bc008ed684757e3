"""Write requests as operations of the engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qdrant_edge as edge

from mixpeek_dagster.qdrant_server.body import Kinds, read, strings
from mixpeek_dagster.qdrant_server.errors import FormatError, WrongInput
from mixpeek_dagster.qdrant_server.filters import guarded, optional_filter, read_filter, read_ids
from mixpeek_dagster.qdrant_server.points import Vectors, read_batch, read_point_vectors, read_points

Operation = edge.UpdateOperation

_MODES = {
    "upsert": edge.UpdateMode.Upsert,
    "insert_only": edge.UpdateMode.InsertOnly,
    "update_only": edge.UpdateMode.UpdateOnly,
}
_SELECTOR: dict[str, Kinds] = {"points": list, "filter": dict}


def upsert(raw: object, vectors: Vectors) -> Any:
    """`PUT /points`: the whole request is checked before any of it is written."""
    shape = {"points": list, "batch": dict, "update_filter": dict, "update_mode": str}
    fields = read(raw, "upsert", shape)
    if "batch" in fields:
        points = read_batch(fields["batch"], vectors)
    elif "points" in fields:
        points = read_points(fields["points"], vectors)
    else:
        raise FormatError("upsert: missing field `points` or `batch`")
    mode = fields.get("update_mode", "upsert")
    if mode not in _MODES:
        raise FormatError(f"unknown variant `{mode}`, expected one of {', '.join(_MODES)}")
    return Operation.upsert_points(points, optional_filter(fields.get("update_filter")), _MODES[mode])


def update_vectors(raw: object, vectors: Vectors) -> Any:
    """`PUT /points/vectors`: the other vectors of the points stay."""
    fields = read(raw, "update_vectors", {"points": list, "update_filter": dict}, ("points",))
    points = read_point_vectors(fields["points"], vectors)
    return Operation.update_vectors(points, optional_filter(fields.get("update_filter")))


def delete(raw: object, _vectors: Vectors) -> Any:
    """`POST /points/delete`, by ids or by filter."""
    return _select(read(raw, "delete", _SELECTOR), Operation.delete_points, Operation.delete_points_by_filter)


def delete_vectors(raw: object, vectors: Vectors) -> Any:
    """`POST /points/vectors/delete`: the points stay."""
    fields = read(raw, "delete_vectors", {"vector": list, **_SELECTOR}, ("vector",))
    names = strings(fields["vector"], "vector")
    for name in names:
        if name not in vectors:
            raise WrongInput(f"Not existing vector name error: {name}")
    return _select(fields, Operation.delete_vectors, Operation.delete_vectors_by_filter, names)


def set_payload(raw: object, _vectors: Vectors) -> Any:
    """`POST /points/payload`: merge into the payload, or into the object at `key`."""
    fields = _payload_fields(raw)
    return _select(fields, Operation.set_payload, Operation.set_payload_by_filter, fields["payload"], fields.get("key"))


def overwrite_payload(raw: object, _vectors: Vectors) -> Any:
    """`PUT /points/payload`: replace the payload."""
    fields = _payload_fields(raw)
    by_ids, by_filter = Operation.overwrite_payload, Operation.overwrite_payload_by_filter
    return _select(fields, by_ids, by_filter, fields["payload"], fields.get("key"))


def delete_payload(raw: object, _vectors: Vectors) -> Any:
    """`POST /points/payload/delete`: drop some keys."""
    fields = read(raw, "delete_payload", {"keys": list, **_SELECTOR}, ("keys",))
    keys = strings(fields["keys"], "keys")
    return _select(fields, Operation.delete_payload, Operation.delete_payload_by_filter, keys)


def clear_payload(raw: object, _vectors: Vectors) -> Any:
    """`POST /points/payload/clear`: drop all keys."""
    fields = read(raw, "clear_payload", _SELECTOR)
    return _select(fields, Operation.clear_payload, Operation.clear_payload_by_filter)


UPDATES: dict[str, Callable[[object, Vectors], Any]] = {
    "upsert": upsert,
    "update_vectors": update_vectors,
    "delete": delete,
    "delete_vectors": delete_vectors,
    "set_payload": set_payload,
    "overwrite_payload": overwrite_payload,
    "delete_payload": delete_payload,
    "clear_payload": clear_payload,
}


def batch(raw: object, vectors: Vectors) -> list[Any]:
    """`POST /points/batch`: several updates in order; all are checked before the first is written."""
    operations = []
    for item in read(raw, "batch", {"operations": list}, ("operations",))["operations"]:
        if not isinstance(item, dict) or len(item) != 1 or next(iter(item)) not in UPDATES:
            raise FormatError(f"operations: expected an object with one of {', '.join(UPDATES)}")
        name, body = next(iter(item.items()))
        operations.append(UPDATES[name](body, vectors))
    return operations


def _payload_fields(raw: object) -> dict[str, Any]:
    return read(raw, "set_payload", {"payload": dict, "key": str, **_SELECTOR}, ("payload",))


def _select(fields: dict[str, Any], by_ids: Callable[..., Any], by_filter: Callable[..., Any], *rest: Any) -> Any:
    if "points" in fields:
        ids = read_ids(fields["points"], "points")
        return guarded(lambda: by_ids(ids, *rest), "request")
    if "filter" in fields:
        condition = read_filter(fields["filter"])
        return guarded(lambda: by_filter(condition, *rest), "request")
    raise FormatError("expected `points` or `filter`")
