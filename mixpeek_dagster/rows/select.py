"""Before the first step: which rows a collection wants, and what its plugin's input fields hold."""

from __future__ import annotations

import functools
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
from mixpeek_dagster.rows.state import Outcome, RowState, live, stop_each

_MEDIA = ("image", "video", "audio", "pdf")


class Selection:
    """A batch's rows while it is decided which of them go on; written once, when all is decided.

    Args:
        frame: source rows, as `begin` gives them.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame
        self._live = live(frame).copy()
        self._stopped: dict[int, Outcome] = {}
        self._columns: dict[str, pd.Series] = {}

    def leave_out_absent(self) -> None:
        """Filter the live rows of fields that their record does not have."""
        absent = self._frame["data"].isna().to_numpy(dtype=bool)
        outcome = _filtered("absent", "its record has no such field")
        self._stop(dict.fromkeys(self._positions(absent), outcome))

    def filter(self, filters: Mapping[str, Any], supported_input_types: Sequence[str]) -> None:
        """Filter the live rows that the collection's filter or the plugin's supported types leave out.

        Raises:
            InvalidRequest: the filter is wrong.
        """
        wanted = compile_filter(filters)
        described = describe_filter(filters)
        stopped: dict[int, Outcome] = {}
        for position in self._positions():
            row = self._rows[position]
            if filters and not wanted(row):
                stopped[position] = _filtered("filter", f"it does not match the source filter: {described}")
            elif supported_input_types and not _supported(row, supported_input_types):
                message = f"its type is {row['blob_type']}, the plugin supports {', '.join(supported_input_types)}"
                stopped[position] = _filtered("input_type", message)
        self._stop(stopped)

    def map_inputs(self, fields: Mapping[str, InputField], mappings: Mapping[str, str]) -> None:
        """Add a column per declared input field that is not one of the ten.

        A field is filled from the source that it is mapped to, else from the object's property of that name, else from
        `data`. Live rows that lack a required one fail.
        """
        positions = self._positions()
        missing: dict[int, Outcome] = {}
        for field in fields.values():
            if field.name in columns.VISIBLE:
                continue
            values: list[Any] = [None] * len(self._frame)
            for position in positions:
                row = self._rows[position]
                values[position] = _value(row, field, mappings)
                if field.required and is_missing(values[position]) and position not in missing:
                    missing[position] = _missing(row, field, mappings)
            self._columns[field.name] = pd.Series(values, index=self._frame.index, dtype=object)
        self._stop(missing)

    def mark_reused(self, documents: Mapping[str, int]) -> None:
        """Stop the live rows of sources whose documents are all in Qdrant already.

        Args:
            documents: unchanged sources with the number of their documents.
        """
        sources = self._frame[columns.SOURCE_ID]
        positions = self._positions(sources.isin(documents).to_numpy(dtype=bool))
        if positions:
            outcome = Outcome(RowState.REUSED, "select_rows", "unchanged", "content, code and parameters are unchanged")
            self._stop(dict.fromkeys(positions, outcome))
            self._columns[columns.SIBLINGS] = sources.map(lambda source: documents.get(source, 0)).astype(np.int64)

    def live_rows(self) -> pd.DataFrame:
        """The rows that go on, as they came."""
        return self._frame[self._live]

    def result(self) -> pd.DataFrame:
        """All rows, with the input fields, each live or with the reason why it is not."""
        frame = self._frame.assign(**self._columns) if self._columns else self._frame
        return stop_each(frame, list(self._stopped), list(self._stopped.values()))

    @functools.cached_property
    def _rows(self) -> list[dict[str, Any]]:
        return records(self._frame)

    def _positions(self, mask: np.ndarray | bool = True) -> list[int]:
        """Positions of the live rows of a mask."""
        return np.flatnonzero(self._live & mask).tolist()

    def _stop(self, outcomes: Mapping[int, Outcome]) -> None:
        self._stopped.update(outcomes)
        self._live[list(outcomes)] = False


def map_inputs(frame: pd.DataFrame, fields: Mapping[str, InputField], mappings: Mapping[str, str]) -> pd.DataFrame:
    """The rows with a plugin's input fields, as `Selection.map_inputs` fills them."""
    selection = Selection(frame)
    selection.map_inputs(fields, mappings)
    return selection.result()


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
