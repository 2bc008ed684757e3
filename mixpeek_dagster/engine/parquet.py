"""Rows that are kept: Parquet parts without pickles."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from mixpeek_dagster.engine import columns
from mixpeek_dagster.engine.codec import Codec, decode, encode, json_bytes
from mixpeek_dagster.engine.state import Outcome, RowState, live, stop_each
from mixpeek_dagster.errors import ErrorCategory


def write_part(frame: pd.DataFrame, vectors: frozenset[str]) -> bytes:
    """A frame as one Parquet file.

    Raises:
        TypeError: a value of a structured column is not JSON; `fail_unstorable` sorts such rows out.
    """
    sink = pa.BufferOutputStream()
    pq.write_table(encode(frame, vectors, Codec.JSON), sink, compression="zstd", use_dictionary=False)
    part: bytes = sink.getvalue().to_pybytes()
    return part


def read_part(part: bytes) -> pd.DataFrame:
    """The frame of a Parquet file."""
    return decode(pq.read_table(pa.BufferReader(part)))


def fail_unstorable(frame: pd.DataFrame, vectors: frozenset[str]) -> pd.DataFrame:
    """Fail live rows that hold a value which cannot be kept, and empty the structured cells of all rows that stopped.

    Vectors of the declared names are left alone where they are right; on a row that stopped, nothing but its identity
    and the reason is of use later.
    """
    own = [name for name in frame.columns if name not in (*columns.VISIBLE, *columns.SOURCE, *columns.BOOKKEEPING)]
    structured = [name for name in own if frame[name].dtype == object and name not in vectors]
    bad: dict[int, Outcome] = {}
    for name in structured:
        for position, value in enumerate(frame[name].tolist()):
            if position not in bad and not isinstance(value, str) and not _is_json(value):
                bad[position] = _unstorable(name, value)
    mask = live(frame)
    positions = [position for position in bad if mask[position]]
    frame = stop_each(frame, positions, [bad[position] for position in positions])
    stopped = ~live(frame)
    for name in [*structured, *(name for name in own if name in vectors)]:
        if stopped.any():
            frame[name] = frame[name].astype(object).where(~stopped, None)
    return frame


def _is_json(value: object) -> bool:
    try:
        json_bytes(value)
    except TypeError:
        return False
    return True


def _unstorable(name: str, value: object) -> Outcome:
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    message = f"column {name!r} holds a {kind}, which cannot be a field of a document"
    fix = f"Drop {name!r} in the last step, or make numbers, texts, lists or dicts of it"
    return Outcome(RowState.FAILED, "keep_features", "unstorable_value", message, ErrorCategory.VALIDATION, fix)
