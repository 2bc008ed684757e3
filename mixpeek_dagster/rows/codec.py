"""Columns of a frame as Arrow columns and back.

Vectors become fixed-size lists of float32; numbers, texts and times are native; anything else is pickled between the
steps of one run, and written as JSON where rows are kept.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa

from mixpeek_dagster.rows.missing import is_missing

_CODEC = b"mixpeek.codec"


class Codec(StrEnum):
    """How a column is written."""

    NATIVE = "native"
    TEXT = "text"
    VECTOR = "vector"
    PICKLE = "pickle"
    JSON = "json"


def encode(frame: pd.DataFrame, vectors: frozenset[str], other: Codec) -> pa.Table:
    """A frame as an Arrow table.

    Args:
        frame: rows; the index is dropped.
        vectors: columns that hold vectors.
        other: codec of columns that are neither vectors, texts nor plain values.

    Raises:
        TypeError: with `Codec.JSON`, a value is not JSON.
    """
    arrays, fields = [], []
    for name in frame.columns:
        array, codec = _encode(frame[name], str(name) in vectors, other)
        arrays.append(array)
        fields.append(pa.field(str(name), array.type, metadata={_CODEC: codec.value}))
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def decode(table: pa.Table) -> pd.DataFrame:
    """The frame that `encode` was given; vectors are float32 arrays."""
    columns = {}
    for field, column in zip(table.schema, table.columns, strict=True):
        codec = Codec((field.metadata or {}).get(_CODEC, b"native").decode())
        columns[field.name] = _DECODERS[codec](column.combine_chunks())
    return pd.DataFrame(columns)


def json_bytes(value: Any) -> bytes | None:
    """A value as JSON; None stays None.

    Raises:
        TypeError: it is not JSON.
    """
    return None if value is None else orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)


def _encode(column: pd.Series, is_vector: bool, other: Codec) -> tuple[pa.Array, Codec]:
    if (is_vector or (other is Codec.PICKLE and _holds_arrays(column))) and (array := _vectors(column)) is not None:
        return array, Codec.VECTOR
    if column.dtype != object:
        array = pa.Array.from_pandas(column)
        return array, Codec.TEXT if isinstance(column.dtype, pd.StringDtype) else Codec.NATIVE
    values = column.tolist()
    if all(value is None or type(value) is str for value in values):
        return pa.array(values, type=pa.large_string()), Codec.NATIVE
    encoder = cell_encoder(other)
    return pa.array([encoder(value) for value in values], type=pa.large_binary()), other


def _holds_arrays(column: pd.Series) -> bool:
    """Whether every cell is a float32 vector or nothing: embeddings that one step makes for another."""
    return column.dtype == object and all(
        value is None or (isinstance(value, np.ndarray) and value.dtype == np.float32 and value.ndim == 1)
        for value in column
    )


def cell_encoder(codec: Codec) -> Callable[[Any], bytes | None]:
    """How one cell of a structured column is written."""
    return json_bytes if codec is Codec.JSON else _pickled


def _pickled(value: Any) -> bytes | None:
    return None if value is None else pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)


def _vectors(column: pd.Series) -> pa.Array | None:
    """Vectors of one size as a fixed-size list; None if sizes differ or something is no vector."""
    values = column.tolist()
    present = [value for value in values if not is_missing(value)]
    if not present:
        return None
    matrix = as_matrix(present)
    if matrix is None:
        return None
    size = matrix.shape[1]
    mask = np.array([is_missing(value) for value in values])
    full = np.zeros((len(values), size), dtype=np.float32)
    full[~mask] = matrix
    flat = pa.array(full.reshape(-1), type=pa.float32())
    return pa.FixedSizeListArray.from_arrays(flat, size, mask=pa.array(mask) if mask.any() else None)


def as_matrix(values: Sequence[Any]) -> np.ndarray | None:
    """Vectors of one size as a float32 matrix; None if they are not that."""
    try:
        size = len(values[0])
        if size == 0 or any(isinstance(value, str | bytes | dict) or len(value) != size for value in values):
            return None
        matrix = np.asarray(values, dtype=np.float32)
    except (TypeError, ValueError, OverflowError):
        return None
    return matrix if matrix.ndim == 2 else None


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """A frame's rows as dicts of plain Python values, and of whatever else the cells hold."""
    names = [str(name) for name in frame.columns]
    cells = [_plain(column) for _, column in frame.items()]
    return [dict(zip(names, row, strict=True)) for row in zip(*cells, strict=True)]


def _plain(column: pd.Series) -> list[Any]:
    # Cell by cell, Arrow's strings would take most of the time.
    text = isinstance(column.dtype, pd.StringDtype)
    values = column.to_numpy(dtype=object).tolist() if text else column.tolist()
    if column.dtype == object:
        values = [_python(value) if isinstance(value, np.generic) else value for value in values]
    return [None if value is pd.NA else value for value in values]


def _python(value: np.generic) -> Any:
    """A cell's numpy scalar as what Python, or pandas for times, has for it."""
    if isinstance(value, np.datetime64):
        return pd.Timestamp(value)
    return pd.Timedelta(value) if isinstance(value, np.timedelta64) else value.item()


def _decode_vectors(array: pa.FixedSizeListArray) -> pd.Series:
    size = array.type.list_size
    matrix = array.flatten().to_numpy(zero_copy_only=False) if not array.null_count else None
    if matrix is not None:
        rows: list[Any] = list(matrix.reshape(-1, size))
    else:
        values = array.values.to_numpy(zero_copy_only=False).reshape(-1, size)[array.offset : array.offset + len(array)]
        valid = array.is_valid().to_numpy(zero_copy_only=False)
        rows = [row if ok else None for row, ok in zip(values, valid, strict=True)]
    return _objects(rows)


def _decode_native(array: pa.Array) -> pd.Series:
    if pa.types.is_large_string(array.type):
        return _objects(array.to_pylist())
    # Without a mapper, integers and booleans with gaps would come back as floats and objects.
    column: pd.Series[Any] = array.to_pandas(types_mapper=_NULLABLE.get if array.null_count else None)
    return column


def _decode_pickled(array: pa.Array) -> pd.Series:
    return _objects([None if value is None else pickle.loads(value) for value in array.to_pylist()])  # noqa: S301 - a step of ours wrote it


def _decode_json(array: pa.Array) -> pd.Series:
    return _objects([None if value is None else orjson.loads(value) for value in array.to_pylist()])


def _objects(values: list[Any]) -> pd.Series:
    cells = np.empty(len(values), dtype=object)
    for index, value in enumerate(values):
        cells[index] = value
    return pd.Series(cells, dtype=object)


_NULLABLE = {pa.int64(): pd.Int64Dtype(), pa.int32(): pd.Int32Dtype(), pa.bool_(): pd.BooleanDtype()}

_DECODERS: dict[Codec, Callable[[Any], pd.Series]] = {
    Codec.NATIVE: _decode_native,
    Codec.TEXT: lambda array: array.to_pandas().astype("str"),
    Codec.VECTOR: _decode_vectors,
    Codec.PICKLE: _decode_pickled,
    Codec.JSON: _decode_json,
}
