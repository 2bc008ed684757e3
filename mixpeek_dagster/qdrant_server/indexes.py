"""Payload indexes: Qdrant's `field_schema` as the engine's index parameters."""

from __future__ import annotations

from typing import Any

import qdrant_edge as edge

from mixpeek_dagster.qdrant_server.body import Kinds, read
from mixpeek_dagster.qdrant_server.errors import FormatError
from mixpeek_dagster.qdrant_server.filters import guarded

_TYPES = {
    kind: getattr(edge.PayloadSchemaType, kind.capitalize())
    for kind in ("keyword", "integer", "float", "geo", "text", "bool", "datetime", "uuid")
}
_PARAMS = {kind: getattr(edge, f"{kind.capitalize()}IndexParams") for kind in _TYPES}
_SHAPE: dict[str, Kinds] = {
    "type": str,
    "is_tenant": bool,
    "is_principal": bool,
    "on_disk": bool,
    "enable_hnsw": bool,
    "prefix": bool,
    "lookup": bool,
    "range": bool,
    "lowercase": bool,
    "ascii_folding": bool,
    "phrase_matching": bool,
    "scoring": bool,
    "nested": str,
    "tokenizer": str,
    "min_token_len": int,
    "max_token_len": int,
}


def index_schema(raw: object) -> Any:
    """The engine's schema for one field.

    Args:
        raw: a type name such as `"keyword"`, or an object with `type` and its parameters.

    Raises:
        FormatError: an unknown type, or a parameter that the type does not take.
    """
    if isinstance(raw, str):
        return _known(raw, _TYPES)
    fields = read(raw, "field_schema", _SHAPE, ("type",))
    params = _known(fields.pop("type"), _PARAMS)
    if "tokenizer" in fields:
        fields["tokenizer"] = _tokenizer(fields["tokenizer"])
    return guarded(lambda: params(**fields), "field_schema")


def _known(kind: str, table: dict[str, Any]) -> Any:
    if kind not in table:
        raise FormatError(f"unknown variant `{kind}`, expected one of {', '.join(table)}")
    return table[kind]


def _tokenizer(name: str) -> Any:
    kinds = {kind.lower(): getattr(edge.TokenizerType, kind) for kind in dir(edge.TokenizerType) if kind[0].isupper()}
    return _known(name, kinds)
