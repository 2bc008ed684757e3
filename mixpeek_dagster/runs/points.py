"""Live rows of a frame as Qdrant points."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from mixpeek_dagster.index.payload import payload
from mixpeek_dagster.index.point import Point
from mixpeek_dagster.rows import columns
from mixpeek_dagster.rows.codec import records
from mixpeek_dagster.runs.context import CollectionRun

_SYSTEM = frozenset([*columns.VISIBLE, *columns.SOURCE, *columns.BOOKKEEPING])
_JSON_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}


def field_names(run: CollectionRun, frame: pd.DataFrame) -> Mapping[str, str]:
    """Fields and vectors that a frame's documents carry, with their types."""
    inputs = [name for name in run.spec.input_fields if name in frame and _same(frame[name], frame["data"])]
    fields = {name: _json_type(frame[name]) for name in _fields(run, frame) if name not in inputs}
    vectors = {f.name: f"vector({f.dimension})" for f in run.spec.features if f.name in frame}
    return {"document_id": "string", **fields, **vectors}


def row_points(run: CollectionRun, frame: pd.DataFrame) -> Iterator[Point]:
    """One point per row: vectors by name, the plugin's fields flat, everything of ours under `_internal`."""
    fields = _fields(run, frame)
    inputs = [name for name in run.spec.input_fields if name in frame]
    for row in records(frame):
        vectors = {name: row[name] for name in run.vectors if isinstance(row.get(name), np.ndarray)}
        own = {name: row[name] for name in fields if not _absent(row[name])}
        own = {name: value for name, value in own.items() if name not in inputs or value != row["data"]}
        yield Point(row["document_id"], vectors, payload(own, _system(run, row)))


def _fields(run: CollectionRun, frame: pd.DataFrame) -> list[str]:
    return [name for name in frame.columns if name not in _SYSTEM and name not in run.vectors]


def _system(run: CollectionRun, row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "namespace_id": run.namespace.namespace_id,
        "batch_id": run.batch.batch_id,
        "run_id": run.run_id,
        "source_id": row[columns.SOURCE_ID],
        "siblings": int(row[columns.SIBLINGS]),
        "position": row[columns.POSITION],
        "config_hash": run.config_hash,
        "plugin_id": run.spec.plugin_id,
        **{name: row[name] for name in ("document_id", "collection_id", "object_id", "object_key", "blob_id")},
        **{name: row[name] for name in ("blob_property", "blob_type", "mime_type", "size_bytes", "content_hash")},
        "data": row["data"],
    }


def _same(left: pd.Series, right: pd.Series) -> bool:
    return bool((left.astype(object) == right.astype(object)).all())


def _absent(value: Any) -> bool:
    return value is None or (isinstance(value, float) and np.isnan(value)) or value is pd.NaT


def _json_type(column: pd.Series) -> str:
    present = column.dropna()
    value = present.iloc[0] if len(present) else None
    value = value.item() if isinstance(value, np.generic) else value
    return _JSON_TYPES.get(type(value), "null" if value is None else "string")
