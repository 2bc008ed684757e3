"""Before the first step: which rows a collection wants, and what its plugin's input fields hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mixpeek_dagster.plugins.spec import InputField
from mixpeek_dagster.rows import columns
from mixpeek_dagster.rows.codec import records
from mixpeek_dagster.rows.failures import failure
from mixpeek_dagster.rows.filters import compile_filter, describe_filter, lookup
from mixpeek_dagster.rows.ledger import INPUT_MAPPING, SOURCE_FILTER
from mixpeek_dagster.rows.missing import is_missing
from mixpeek_dagster.rows.state import Outcome, RowState, live, stop, stop_each

_MEDIA = ("image", "video", "audio", "pdf")


def leave_out_absent(frame: pd.DataFrame) -> pd.DataFrame:
    """Filter the live rows of fields that their record does not have."""
    outcome = _filtered("absent", "its record has no such field")
    return stop(frame, live(frame) & frame["data"].isna().to_numpy(dtype=bool), outcome)


def apply_source_filters(
    frame: pd.DataFrame, filters: Mapping[str, Any], supported_input_types: Sequence[str]
) -> pd.DataFrame:
    """Filter the live rows that the collection's filter or the plugin's supported types leave out.

    Raises:
        InvalidRequest: the filter is wrong.
    """
    wanted = compile_filter(filters)
    described = describe_filter(filters)
    stopped: dict[int, Outcome] = {}
    rows = records(frame)
    for position in np.flatnonzero(live(frame)):
        row = rows[position]
        if filters and not wanted(row):
            stopped[int(position)] = _filtered("filter", f"it does not match the source filter: {described}")
        elif supported_input_types and not _supported(row, supported_input_types):
            message = f"its type is {row['blob_type']}, the plugin supports {', '.join(supported_input_types)}"
            stopped[int(position)] = _filtered("input_type", message)
    return stop_each(frame, list(stopped), list(stopped.values()))


def map_inputs(frame: pd.DataFrame, fields: Mapping[str, InputField], mappings: Mapping[str, str]) -> pd.DataFrame:
    """Add a column per declared input field that is not one of the ten.

    A field is filled from the source that it is mapped to, else from the object's property of that name, else from
    `data`. Live rows that lack a required one fail.
    """
    wanted = [field for field in fields.values() if field.name not in columns.VISIBLE]
    if not wanted:
        return frame
    mask = live(frame)
    rows = records(frame)
    missing: dict[int, Outcome] = {}
    added: dict[str, pd.Series] = {}
    for field in wanted:
        values = [_value(row, field, mappings) if alive else None for row, alive in zip(rows, mask, strict=True)]
        added[field.name] = pd.Series(values, index=frame.index, dtype=object)
        for position, value in enumerate(values):
            if field.required and mask[position] and is_missing(value) and position not in missing:
                missing[position] = _missing(rows[position], field, mappings)
    return stop_each(frame.assign(**added), list(missing), list(missing.values()))


def mark_reused(frame: pd.DataFrame, documents: Mapping[str, int]) -> pd.DataFrame:
    """Stop the live rows of sources whose documents are all in Qdrant already.

    Args:
        frame: source rows.
        documents: unchanged sources with the number of their documents.
    """
    known = frame[columns.SOURCE_ID].isin(documents).to_numpy(dtype=bool)
    positions = np.flatnonzero(live(frame) & known)
    if not len(positions):
        return frame
    outcome = Outcome(RowState.REUSED, "select_rows", "unchanged", "content, code and parameters are unchanged")
    frame = stop_each(frame, positions, [outcome] * len(positions))
    counts = frame[columns.SOURCE_ID].map(lambda source: documents.get(source, 0))
    return frame.assign(**{columns.SIBLINGS: counts.astype(np.int64)})


def _supported(row: Mapping[str, Any], types: Sequence[str]) -> bool:
    return row["blob_type"] in types or ("document" in types and row["blob_type"] in ("pdf", "text"))


def _value(row: Mapping[str, Any], field: InputField, mappings: Mapping[str, str]) -> Any:
    if field.name in mappings:
        return lookup(row, mappings[field.name])
    own = lookup({"properties": row["properties"]}, field.name)
    if not is_missing(own):
        return own
    by_name = field.name in (row["blob_property"], row["blob_type"]) or field.name.endswith("_url")
    if row["blob_type"] == "text":
        return row["data"] if field.type == "string" else None
    return row["data"] if by_name and row["blob_type"] in _MEDIA else None


def _filtered(code: str, message: str) -> Outcome:
    return Outcome(RowState.FILTERED, SOURCE_FILTER, code, message)


def _missing(row: Mapping[str, Any], field: InputField, mappings: Mapping[str, str]) -> Outcome:
    there = [*columns.VISIBLE, *(row["properties"] or {})]
    mapped = f" (mapped to {mappings[field.name]!r})" if field.name in mappings else ""
    message = f"required input field {field.name!r}{mapped} is missing on {row['object_key']}"
    fix = f"Map it to one of: {', '.join(there)}"
    return failure(INPUT_MAPPING, "input_field_missing", message, fix)
