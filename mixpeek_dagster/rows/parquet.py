"""Rows that are kept: Parquet parts without pickles."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from mixpeek_dagster.rows.codec import Codec, decode, encode


def write_part(frame: pd.DataFrame, vectors: frozenset[str]) -> bytes:
    """A frame as one Parquet file.

    Raises:
        TypeError: a value of a structured column is not JSON; `fail_unwritable` sorts such rows out.
    """
    sink = pa.BufferOutputStream()
    pq.write_table(encode(frame, vectors, Codec.JSON), sink, compression="zstd", use_dictionary=False)
    part: bytes = sink.getvalue().to_pybytes()
    return part


def read_part(part: bytes) -> pd.DataFrame:
    """The frame of a Parquet file."""
    return decode(pq.read_table(pa.BufferReader(part)))
