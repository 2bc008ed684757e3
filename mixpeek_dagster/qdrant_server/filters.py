"""Qdrant's filter JSON as the engine's filter objects."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

import numpy as np
import qdrant_edge as edge

from mixpeek_dagster.qdrant_server.body import ANY, NUMBER, Kinds, read, strings
from mixpeek_dagster.qdrant_server.errors import FormatError

_CLAUSES: dict[str, Kinds] = {
    "must": (list, dict),
    "should": (list, dict),
    "must_not": (list, dict),
    "min_should": dict,
}
_BOUNDS = ("gt", "gte", "lt", "lte")


def read_filter(raw: object) -> Any:
    """A filter of the engine.

    Raises:
        FormatError: naming the condition that cannot be read.
        NotOffered: a condition this server does not know.
    """
    fields = read(raw, "filter", _CLAUSES)
    clauses: dict[str, Any] = {name: _conditions(fields[name]) for name in fields if name != "min_should"}
    if "min_should" in fields:
        least = read(fields["min_should"], "min_should", {"conditions": list, "min_count": int}, ("conditions",))
        clauses["min_should"] = edge.MinShould(_conditions(least["conditions"]), least.get("min_count", 1))
    return edge.Filter(**clauses)


def optional_filter(raw: object) -> Any:
    """A filter, or None where none is given."""
    return None if raw is None else read_filter(raw)


def read_id(raw: object) -> int | str:
    """A point id: an unsigned 64-bit integer or a UUID.

    Raises:
        FormatError: anything else.
    """
    if isinstance(raw, str):
        with suppress(ValueError):
            return str(UUID(raw))
    elif isinstance(raw, int) and not isinstance(raw, bool) and 0 <= raw < 2**64:
        return raw
    raise FormatError(f"value {raw} is not a valid point ID, valid values are either an unsigned integer or a UUID")


def read_ids(raw: object, place: str) -> list[int | str]:
    """An array of point ids."""
    if not isinstance(raw, list):
        raise FormatError(f"{place}: expected an array of point ids")
    return [read_id(item) for item in raw]


def guarded(build: Callable[[], Any], place: str) -> Any:
    """Build an engine object; what its constructor refuses is a format error of `place`."""
    try:
        return build()
    except (TypeError, ValueError, OverflowError) as error:
        raise FormatError(f"{place}: {str(error).splitlines()[0]}") from None


def _conditions(raw: object) -> list[Any]:
    return [_condition(item) for item in (raw if isinstance(raw, list) else [raw])]


def _condition(raw: object) -> Any:
    if not isinstance(raw, dict):
        raise FormatError("filter: expected a condition object")
    if "key" in raw:
        return _field_condition(raw)
    name = next((name for name in _WHOLE_POINT if name in raw), None)
    if name is None:
        return read_filter(raw)
    value = read(raw, "condition", {name: ANY}, (name,))[name]
    return guarded(lambda: _WHOLE_POINT[name](value), name)


def _field_condition(raw: object) -> Any:
    shape = {"key": str, "is_empty": bool, "is_null": bool, **dict.fromkeys(_ON_FIELD, dict)}
    fields = read(raw, "condition", shape)
    key = fields.pop("key")
    if not fields:
        raise FormatError(f"condition on {key!r}: expected one of {', '.join(sorted(shape.keys() - {'key'}))}")
    tests = {name: _ON_FIELD[name](value) if name in _ON_FIELD else value for name, value in fields.items()}
    return guarded(lambda: edge.FieldCondition(key, **tests), f"condition on {key!r}")


def _match(raw: object) -> Any:
    if not isinstance(raw, dict) or len(raw) != 1 or next(iter(raw)) not in _MATCHES:
        raise FormatError(f"match: expected one of {', '.join(_MATCHES)}")
    kind, value = next(iter(raw.items()))
    return guarded(lambda: _MATCHES[kind](value), f"match.{kind}")


def _match_value(value: Any) -> Any:
    # The engine's bindings take True for the integer 1; numpy's booleans they know as booleans.
    exact: Any = np.bool_(value) if isinstance(value, bool) else value
    return edge.MatchValue(exact)


def _range(raw: object) -> Any:
    bounds = read(raw, "range", dict.fromkeys(_BOUNDS, (int, float, str)))
    kind = edge.RangeDateTime if any(isinstance(bound, str) for bound in bounds.values()) else edge.RangeFloat
    return guarded(lambda: kind(**bounds), "range")


def _values_count(raw: object) -> Any:
    return edge.ValuesCount(**read(raw, "values_count", dict.fromkeys(_BOUNDS, int)))


def _point(raw: object) -> Any:
    fields = read(raw, "geo point", {"lon": NUMBER, "lat": NUMBER}, ("lon", "lat"))
    return guarded(lambda: edge.GeoPoint(fields["lon"], fields["lat"]), "geo point")


def _radius(raw: object) -> Any:
    fields = read(raw, "geo_radius", {"center": dict, "radius": NUMBER}, ("center", "radius"))
    return edge.GeoRadius(_point(fields["center"]), fields["radius"])


def _box(raw: object) -> Any:
    fields = read(raw, "geo_bounding_box", {"top_left": dict, "bottom_right": dict}, ("top_left", "bottom_right"))
    return edge.GeoBoundingBox(_point(fields["top_left"]), _point(fields["bottom_right"]))


def _key(raw: object) -> str:
    return str(read(raw, "condition", {"key": str}, ("key",))["key"])


def _nested(raw: object) -> Any:
    fields = read(raw, "nested", {"key": str, "filter": dict}, ("key", "filter"))
    return edge.NestedCondition(fields["key"], read_filter(fields["filter"]))


def _slice(raw: object) -> Any:
    return edge.SliceCondition(  # type: ignore[attr-defined]  # missing from its stubs
        **read(raw, "slice", {"total": int, "index": int}, ("total", "index"))
    )


_MATCHES: dict[str, Callable[[Any], Any]] = {
    "value": _match_value,
    "any": edge.MatchAny,
    "except": edge.MatchExcept,
    "text": edge.MatchText,
    "text_any": edge.MatchTextAny,
    "phrase": edge.MatchPhrase,
    "prefix": edge.MatchPrefix,
    "substring": edge.MatchSubstring,
}
_ON_FIELD: dict[str, Callable[[object], Any]] = {
    "match": _match,
    "range": _range,
    "values_count": _values_count,
    "geo_radius": _radius,
    "geo_bounding_box": _box,
}
_WHOLE_POINT: dict[str, Callable[[Any], Any]] = {
    "is_empty": lambda raw: edge.IsEmptyCondition(_key(raw)),
    "is_null": lambda raw: edge.IsNullCondition(_key(raw)),
    "has_id": lambda raw: edge.HasIdCondition(set(read_ids(raw, "has_id"))),
    "has_vector": lambda raw: edge.HasVectorCondition(strings([raw], "has_vector")[0]),
    "nested": _nested,
    "slice": _slice,
}
