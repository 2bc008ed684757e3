"""Rows that are kept: Parquet parts without pickles."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from mixpeek_dagster.rows.codec import Codec, decode, encode
from mixpeek_dagster.schema_version import FIELD, require_known

PART_VERSION = 1
_VERSION_KEY = f"mixpeek.{FIELD}".encode()


def write_part(frame: pd.DataFrame, vectors: frozenset[str]) -> bytes:
    """A frame as one Parquet file.

    Raises:
        TypeError: a value of a structured column is not JSON; `fail_unwritable` sorts such rows out.
    """
    sink = pa.BufferOutputStream()
    table = encode(frame, vectors, Codec.JSON).replace_schema_metadata({_VERSION_KEY: str(PART_VERSION)})
    pq.write_table(table, sink, compression="zstd", use_dictionary=False)
    part: bytes = sink.getvalue().to_pybytes()
    return part


def read_part(part: bytes) -> pd.DataFrame:
    """The frame of a Parquet file; one of version 0 differs by nothing but saying no version.

    Raises:
        SchemaTooNew: later code wrote it.
    """
    table = pq.read_table(pa.BufferReader(part))
    require_known("kept rows", {FIELD: int((table.schema.metadata or {}).get(_VERSION_KEY, 0))}, PART_VERSION)
    return decode(table)
