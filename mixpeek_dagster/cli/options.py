"""Options of the form key=value, whose value may be JSON."""

from __future__ import annotations

from typing import Any

import orjson

from mixpeek_dagster.errors import InvalidRequest


def key_values(option: str, values: list[str] | None) -> dict[str, str]:
    """Repeated `key=value` options as a dict of texts.

    Raises:
        InvalidRequest: one is not of that form.
    """
    pairs = {}
    for value in values or []:
        key, sign, rest = value.partition("=")
        if not sign or not key:
            raise InvalidRequest(f"{option} {value!r}", why="it is not of the form key=value")
        pairs[key] = rest
    return pairs


def key_json(option: str, values: list[str] | None) -> dict[str, Any]:
    """The same, each value read as JSON if it is JSON.

    Raises:
        InvalidRequest: one is not of that form.
    """
    return {key: _value(text) for key, text in key_values(option, values).items()}


def from_json(option: str, text: str) -> Any:
    """An option that must be JSON.

    Raises:
        InvalidRequest: it is not.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"{option} {text!r}", why=f"it is not JSON: {error}") from None


def _value(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
