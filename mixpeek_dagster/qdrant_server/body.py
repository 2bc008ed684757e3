"""Reading request bodies: nothing that the server does not understand passes unnoticed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import orjson

from mixpeek_dagster.qdrant_server.errors import FormatError, NotOffered

type_names = {bool: "a boolean", int: "an integer", str: "a string", list: "an array", dict: "an object"}

Kinds = type | tuple[type, ...]
NUMBER: Kinds = (int, float)
ANY: Kinds = object


def parse(raw: bytes) -> Any:
    """JSON of a request body; an empty body is an empty object.

    Raises:
        FormatError: no JSON; NaN and numbers too large for a float are no JSON either.
    """
    if not raw:
        return {}
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise FormatError(str(error)) from None


def read(raw: object, place: str, shape: Mapping[str, Kinds], required: Collection[str] = ()) -> dict[str, Any]:
    """The fields of one JSON object, nulls left out.

    Args:
        place: what the object is, for messages, e.g. `filter`.
        shape: the fields that the server understands, with their JSON types.

    Raises:
        FormatError: no object, a field of the wrong type, or a required field that is missing.
        NotOffered: a field outside `shape`.
    """
    if not isinstance(raw, dict):
        raise FormatError(f"{place}: expected an object")
    fields = {name: value for name, value in raw.items() if value is not None}
    for name, value in fields.items():
        if name not in shape:
            raise NotOffered(f"field `{name}` of {place}")
        _expect(value, shape[name], f"{place}.{name}")
    for name in required:
        if name not in fields:
            raise FormatError(f"{place}: missing field `{name}`")
    return fields


def strings(raw: object, place: str) -> list[str]:
    """An array of strings.

    Raises:
        FormatError: anything else.
    """
    if not isinstance(raw, list) or not all(isinstance(item, str) for item in raw):
        raise FormatError(f"{place}: expected an array of strings")
    return raw


def _expect(value: object, kinds: Kinds, place: str) -> None:
    wanted = kinds if isinstance(kinds, tuple) else (kinds,)
    # True is an int to Python, but not to Qdrant.
    if isinstance(value, bool) and bool not in wanted and object not in wanted:
        matches = False
    else:
        matches = isinstance(value, wanted)
    if not matches:
        names = " or ".join(type_names.get(kind, "a number") for kind in wanted)
        raise FormatError(f"{place}: expected {names}")
