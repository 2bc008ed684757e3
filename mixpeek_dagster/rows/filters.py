"""Source filters: which rows of a batch a collection wants.

The grammar is the platform's: `{"AND"|"OR"|"NOT": [...]}` of `{"field", "operator", "value"}`, or, in short,
`{"field": value}`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from mixpeek_dagster.errors import InvalidRequest
from mixpeek_dagster.rows.missing import is_missing

Row = Mapping[str, Any]
Predicate = Callable[[Row], bool]


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def safe(left: Any, right: Any) -> bool:
        try:
            return compare(left, right)
        except TypeError:
            return False

    return safe


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "gt": _ordered(lambda a, b: a > b),
    "lt": _ordered(lambda a, b: a < b),
    "gte": _ordered(lambda a, b: a >= b),
    "lte": _ordered(lambda a, b: a <= b),
    "in": _ordered(lambda a, b: a in b),
    "nin": _ordered(lambda a, b: a not in b),
    "contains": _ordered(lambda a, b: b in a),
    "starts_with": lambda a, b: isinstance(a, str) and a.startswith(str(b)),
    "ends_with": lambda a, b: isinstance(a, str) and a.endswith(str(b)),
    "regex": lambda a, b: isinstance(a, str) and re.search(b, a) is not None,
    "exists": lambda a, b: (not is_missing(a)) == bool(b),
    "is_null": lambda a, b: is_missing(a) == bool(b),
    "text": lambda a, b: isinstance(a, str) and all(word in a.lower() for word in str(b).lower().split()),
}
_GROUPS = ("AND", "OR", "NOT")


def compile_filter(filters: Mapping[str, Any]) -> Predicate:
    """A filter as a function of a row; an empty filter lets everything through.

    Raises:
        InvalidRequest: an operator is unknown or a group is no list.
    """
    predicates = [_compile_entry(key, value, filters) for key, value in filters.items() if not _is_part(key, filters)]
    if "field" in filters:
        predicates.append(_compile_condition(filters))
    return lambda row: all(predicate(row) for predicate in predicates)


def describe_filter(filters: Mapping[str, Any]) -> str:
    """The filter in words, for the reason on a filtered row."""
    parts = []
    for key, value in filters.items():
        if key in _GROUPS:
            parts.append(f" {key} ".join(f"({describe_filter(entry)})" for entry in value))
        elif not _is_part(key, filters):
            parts.append(f"{key} = {value!r}")
    if "field" in filters:
        parts.append(f"{filters['field']} {filters.get('operator', 'eq')} {filters.get('value')!r}")
    return " and ".join(parts)


def _is_part(key: str, filters: Mapping[str, Any]) -> bool:
    return key == "case_sensitive" or ("field" in filters and key in ("field", "operator", "value"))


def _compile_entry(key: str, value: Any, filters: Mapping[str, Any]) -> Predicate:
    if key not in _GROUPS:
        return _compile_condition({"field": key, "operator": "eq", "value": value})
    if not isinstance(value, list) or not all(isinstance(entry, Mapping) for entry in value):
        raise InvalidRequest(f"source filter {key}", why=f"it is {value!r}", fix="Give it a list of conditions")
    inner = [compile_filter(entry) for entry in value]
    if key == "AND":
        return lambda row: all(predicate(row) for predicate in inner)
    if key == "OR":
        return lambda row: any(predicate(row) for predicate in inner)
    return lambda row: not any(predicate(row) for predicate in inner)


def _compile_condition(condition: Mapping[str, Any]) -> Predicate:
    field, operator = str(condition["field"]), str(condition.get("operator", "eq"))
    value = condition.get("value", True if operator in ("exists", "is_null") else None)
    if operator not in _OPERATORS:
        known = ", ".join(_OPERATORS)
        raise InvalidRequest(f"source filter operator {operator!r}", why="it is unknown", fix=f"Known: {known}")
    if operator == "regex":
        _require_regex(value)
    compare = _OPERATORS[operator]
    return lambda row: bool(compare(lookup(row, field), value))


def _require_regex(value: Any) -> None:
    try:
        re.compile(value)
    except (re.error, TypeError) as error:
        raise InvalidRequest(f"source filter regex {value!r}", why=str(error), fix="Mend the expression") from None


def lookup(row: Row, field: str) -> Any:
    """A row's value by field name: a column, else a property of its object, dots going deeper."""
    properties = row.get("properties")
    if field in row:
        return row[field]
    value: Any = properties if isinstance(properties, Mapping) else {}
    for part in field.removeprefix("properties.").split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value
