"""Read requests as requests of the engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qdrant_edge as edge

from mixpeek_dagster.qdrant_server.body import ANY, NUMBER, Kinds, read, strings
from mixpeek_dagster.qdrant_server.errors import FormatError, NotOffered, ValidationFailed, WrongInput
from mixpeek_dagster.qdrant_server.filters import guarded, optional_filter, read_id
from mixpeek_dagster.qdrant_server.points import Vectors, read_vector

Lookup = Callable[[int | str, str], list[float]]
"""The vector of a stored point: (point id, vector name) -> elements. Raises Missing or WrongInput."""

RRF_K = 2
_SELECTION: dict[str, Kinds] = {"with_payload": (bool, list, dict), "with_vector": (bool, list)}
_STAGE: dict[str, Kinds] = {
    "prefetch": (list, dict),
    "query": ANY,
    "using": str,
    "filter": dict,
    "params": dict,
    "score_threshold": NUMBER,
    "limit": int,
}
# Tuning of approximate search: accepted, without effect while search is exact.
_PARAMS = {"hnsw_ef": int, "exact": bool, "indexed_only": bool, "quantization": dict, "acorn": dict}


def query_request(raw: object, vectors: Vectors, lookup: Lookup) -> Any:
    """`POST /points/query`.

    Args:
        lookup: finds the vector of a point that the query names by its id.
    """
    fields = read(raw, "query request", {**_STAGE, "offset": int, **_SELECTION})
    if "prefetch" in fields and "query" not in fields:
        raise WrongInput(
            "A query is needed to merge the prefetches. Can't have prefetches without defining a query.",
        )
    stage = _stage(fields, vectors, lookup)
    stage["offset"] = _at_least(fields.get("offset", 0), 0, "offset")
    stage["with_payload"] = _payload_selection(fields.get("with_payload", False))
    stage["with_vector"] = _vector_selection(fields.get("with_vector", False))
    return guarded(lambda: edge.QueryRequest(**stage), "query request")


def scroll_request(raw: object) -> Any:
    """`POST /points/scroll`."""
    shape = {"offset": ANY, "limit": int, "filter": dict, "order_by": (str, dict), **_SELECTION}
    fields = read(raw, "scroll request", shape)
    page = {
        "offset": read_id(fields["offset"]) if "offset" in fields else None,
        "limit": _at_least(fields.get("limit", 10), 1, "limit"),
        "filter": optional_filter(fields.get("filter")),
        "with_payload": _payload_selection(fields.get("with_payload", True)),
        "with_vector": _vector_selection(fields.get("with_vector", False)),
        "order_by": _order_by(fields["order_by"]) if "order_by" in fields else None,
    }
    return guarded(lambda: edge.ScrollRequest(**page), "scroll request")


def count_request(raw: object) -> Any:
    """`POST /points/count`."""
    fields = read(raw, "count request", {"filter": dict, "exact": bool})
    return edge.CountRequest(fields.get("exact", True), optional_filter(fields.get("filter")))


def facet_request(raw: object) -> Any:
    """The body of `POST /facet`; 10 values at most unless it says otherwise."""
    fields = read(raw, "facet request", {"key": str, "limit": int, "filter": dict, "exact": bool}, ("key",))
    limit = _at_least(fields.get("limit", 10), 1, "limit")
    condition = optional_filter(fields.get("filter"))
    return guarded(lambda: edge.FacetRequest(fields["key"], limit, fields.get("exact", False), condition), "facet")


def selection(fields: dict[str, Any]) -> tuple[Any, Any]:
    """What of each point to send: (payload, vectors)."""
    return (
        _payload_selection(fields.get("with_payload", True)),
        _vector_selection(fields.get("with_vector", False)),
    )


def _stage(fields: dict[str, Any], vectors: Vectors, lookup: Lookup) -> dict[str, Any]:
    query, condition = fields.get("query"), fields.get("filter")
    using = fields.get("using", "")
    restrict = optional_filter(condition)
    if isinstance(query, dict) and "nearest" in query:
        query = read(query, "query", {"nearest": ANY}, ("nearest",))["nearest"]
    if isinstance(query, int | str):
        # A point is its own nearest neighbour: leave it out, as Qdrant does.
        point_id = read_id(query)
        query = lookup(point_id, using)
        restrict = edge.Filter(must=[restrict] if condition else None, must_not=[edge.HasIdCondition({point_id})])
    return {
        "prefetches": [_prefetch(item, vectors, lookup) for item in _listed(fields.get("prefetch", []))],
        "query": None if query is None else _query(query, using, vectors),
        "filter": restrict,
        "params": _params(fields.get("params", {})),
        "score_threshold": fields.get("score_threshold"),
        "limit": _at_least(fields.get("limit", 10), 1, "limit"),
    }


def _prefetch(raw: object, vectors: Vectors, lookup: Lookup) -> Any:
    stage = _stage(read(raw, "prefetch", _STAGE), vectors, lookup)
    return guarded(lambda: edge.Prefetch(**stage), "prefetch")


def _query(raw: object, using: str, vectors: Vectors) -> Any:
    if isinstance(raw, list):
        return edge.Query.Nearest(read_vector(raw, using, vectors), using=using or None)
    if isinstance(raw, dict):
        name = next((name for name in _QUERIES if name in raw), None)
        if name is None:
            raise NotOffered(f"queries by {', '.join(map(repr, raw)) or 'an empty object'}")
        return guarded(lambda: _QUERIES[name](raw), f"query.{name}")
    raise FormatError("query: expected a vector, a point id or a query object")


def _fusion(raw: object) -> Any:
    fields = read(raw, "query", {"fusion": str})
    fusions = {"rrf": edge.Fusion.Rrf(RRF_K), "dbsf": edge.Fusion.Dbsf()}
    if fields["fusion"] not in fusions:
        raise FormatError(f"unknown variant `{fields['fusion']}`, expected one of {', '.join(fusions)}")
    return fusions[fields["fusion"]]


def _rrf(raw: object) -> Any:
    fields = read(read(raw, "query", {"rrf": dict})["rrf"], "rrf", {"k": int, "weights": list})
    return edge.Fusion.Rrf(_at_least(fields.get("k", RRF_K), 1, "k"), fields.get("weights"))


def _order_query(raw: object) -> Any:
    return _order_by(read(raw, "query", {"order_by": (str, dict)})["order_by"])


def _sample(raw: object) -> Any:
    if read(raw, "query", {"sample": str})["sample"] != "random":
        raise FormatError("sample: expected `random`")
    return edge.Sample.Random


_QUERIES: dict[str, Callable[[object], Any]] = {
    "fusion": _fusion,
    "rrf": _rrf,
    "order_by": _order_query,
    "sample": _sample,
}


def _order_by(raw: object) -> Any:
    fields = {"key": raw} if isinstance(raw, str) else read(raw, "order_by", _ORDER_BY, ("key",))
    directions = {"asc": edge.Direction.Asc, "desc": edge.Direction.Desc}
    direction = fields.get("direction", "asc")
    if direction not in directions:
        raise FormatError(f"unknown variant `{direction}`, expected `asc` or `desc`")
    return guarded(lambda: edge.OrderBy(fields["key"], directions[direction], fields.get("start_from")), "order_by")


_ORDER_BY: dict[str, Kinds] = {"key": str, "direction": str, "start_from": (int, float, str)}


def _params(raw: object) -> Any:
    fields = read(raw, "params", _PARAMS)
    known = {name: fields[name] for name in ("hnsw_ef", "exact", "indexed_only") if name in fields}
    return guarded(lambda: edge.SearchParams(**known), "params")


def _payload_selection(raw: Any) -> Any:
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, list):
        return edge.PayloadSelector.Include(strings(raw, "with_payload"))
    if len(raw) == 1 and "include" in raw:
        return edge.PayloadSelector.Include(strings(raw["include"], "with_payload.include"))
    if len(raw) == 1 and "exclude" in raw:
        return edge.PayloadSelector.Exclude(strings(raw["exclude"], "with_payload.exclude"))
    raise FormatError("with_payload: expected a boolean, an array of keys, `include` or `exclude`")


def _vector_selection(raw: Any) -> Any:
    return raw if isinstance(raw, bool) else strings(raw, "with_vector")


def _listed(raw: Any) -> list[Any]:
    return raw if isinstance(raw, list) else [raw]


def _at_least(value: int, least: int, name: str) -> int:
    if value < least:
        raise ValidationFailed(f"[{name}: value {value} invalid, must be {least} or larger]")
    return value
