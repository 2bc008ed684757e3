"""Rows survive the spool between steps and the Parquet files that are kept."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mixpeek_dagster.rows import columns
from mixpeek_dagster.rows.codec import Codec, decode, encode, records
from mixpeek_dagster.rows.parquet import read_part, write_part
from mixpeek_dagster.rows.rows import Rows, RowsWriter
from mixpeek_dagster.rows.spool import FolderSpool
from mixpeek_dagster.rows.state import RowState
from mixpeek_dagster.rows.unwritable import fail_unwritable

Spool = Callable[..., Rows]
Source = Callable[..., pd.DataFrame]

_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    # a text alone is a text cell; inside lists and dicts it is part of a structure
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def _objects(*values: Any) -> pd.Series:
    cells = np.empty(len(values), dtype=object)
    for index, value in enumerate(values):
        cells[index] = value
    return pd.Series(cells, dtype=object)


def _ways(frame: pd.DataFrame, vectors: frozenset[str] = frozenset()) -> list[pd.DataFrame]:
    return [decode(encode(frame, vectors, Codec.PICKLE)), read_part(write_part(frame, vectors))]


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(["a", "", "ü\n\0"]),
        pd.Series([1, -2, 2**62]),
        pd.Series([1.5, float("nan"), float("inf")]),
        pd.Series([True, False, True]),
        pd.Series([datetime(2024, 1, 2), datetime(1970, 1, 1), None]),
        pd.Series([datetime(2024, 1, 2, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC), None]),
        _objects("a", None, "c"),
        _objects(None, None, None),
        _objects({"a": 1}, {"b": [1, 2]}, None),
        _objects([1], [1, 2], []),
        _objects(1, "two", None),
        _objects(b"x", b"", None),
    ],
    ids=["text", "int", "float", "bool", "time", "zoned", "text-none", "none", "dict", "ragged", "mixed", "bytes"],
)
def test_values_come_back_from_the_spool_equal(column: pd.Series) -> None:
    back = decode(encode(pd.DataFrame({"c": column}), frozenset(), Codec.PICKLE))
    pd.testing.assert_series_equal(back["c"], column, check_names=False)


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(["a", "", "ü"]),
        pd.Series([1, -2, 2**62]),
        pd.Series([1.5, float("nan"), float("inf")]),
        pd.Series([True, False, True]),
        pd.Series([datetime(2024, 1, 2, tzinfo=UTC), None]),
        _objects({"a": 1}, {"b": [1, 2]}, None),
        _objects([1], [1, 2], []),
        _objects(1, "two", None),
    ],
    ids=["text", "int", "float", "bool", "zoned", "dict", "ragged", "mixed"],
)
def test_values_come_back_from_parquet_equal(column: pd.Series) -> None:
    back = read_part(write_part(pd.DataFrame({"c": column}), frozenset()))
    pd.testing.assert_series_equal(back["c"], column, check_names=False)


def test_nullable_integers_keep_every_digit() -> None:
    large = 2**60 + 1
    for back in _ways(pd.DataFrame({"c": pd.array([large, None], dtype="Int64")})):
        assert int(back["c"].iloc[0]) == large


def test_tuples_and_numpy_scalars_keep_their_type_between_steps() -> None:
    column = _objects((1, "a"), np.float32(1.5), np.int64(7), np.array([1, 2]))
    back = decode(encode(pd.DataFrame({"c": column}), frozenset(), Codec.PICKLE))["c"]
    assert back[0] == (1, "a")
    assert type(back[0]) is tuple
    assert type(back[1]) is np.float32
    assert type(back[2]) is np.int64
    assert back[3].tolist() == [1, 2]


def test_numpy_values_become_plain_json_where_rows_are_kept() -> None:
    column = _objects((1, "a"), np.float64(1.5), np.array([1, 2]))
    back = read_part(write_part(pd.DataFrame({"c": column}), frozenset()))["c"]
    assert back.tolist() == [[1, "a"], 1.5, [1, 2]]


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA], ids=["none", "nan", "na"])
def test_vectors_come_back_as_float32_and_missing_ones_stay_missing(missing: object) -> None:
    column = _objects([1.0, 2.0], missing, np.array([3, 4]), (5, 6))
    for back in _ways(pd.DataFrame({"v": column}), frozenset({"v"})):
        assert back["v"][1] is None
        for index, wanted in ((0, [1, 2]), (2, [3, 4]), (3, [5, 6])):
            assert back["v"][index].dtype == np.float32
            assert back["v"][index].tolist() == wanted


@pytest.mark.parametrize("start", [0, 1, 2])
def test_vectors_of_a_slice_are_those_of_its_rows(start: int) -> None:
    column = _objects([0.0, 0.5], None, [2.0, 2.5], [3.0, 3.5])
    table = encode(pd.DataFrame({"v": column}), frozenset({"v"}), Codec.PICKLE).slice(start)
    found = [None if cell is None else cell.tolist() for cell in decode(table)["v"]]
    assert found == [None if cell is None else list(cell) for cell in column[start:]]


def test_vectors_of_several_sizes_are_kept_as_they_are() -> None:
    column = _objects([1.0], [1.0, 2.0], [])
    for back in _ways(pd.DataFrame({"v": column}), frozenset({"v"})):
        assert back["v"].tolist() == [[1.0], [1.0, 2.0], []]


def test_an_empty_frame_keeps_its_columns() -> None:
    frame = pd.DataFrame({"a": _objects(), "v": _objects()})
    for back in _ways(frame, frozenset({"v"})):
        assert back.columns.tolist() == ["a", "v"]
        assert back.empty


@given(st.lists(st.none() | st.text(), max_size=6))
def test_any_texts_and_none_come_back(values: list[str | None]) -> None:
    for back in _ways(pd.DataFrame({"c": _objects(*values)})):
        assert back["c"].tolist() == values


@given(st.lists(_JSON, max_size=5))
def test_any_json_comes_back(values: list[Any]) -> None:
    for back in _ways(pd.DataFrame({"c": _objects(*values)})):
        assert back["c"].tolist() == values


@given(
    st.integers(1, 5).flatmap(
        lambda size: st.lists(
            st.none() | st.lists(st.floats(width=32, allow_nan=False), min_size=size, max_size=size), min_size=1
        )
    )
)
def test_any_float32_vectors_come_back(values: list[list[float] | None]) -> None:
    for back in _ways(pd.DataFrame({"v": _objects(*values)}), frozenset({"v"})):
        assert [None if cell is None else list(map(float, cell)) for cell in back["v"]] == values


@pytest.mark.parametrize(("n", "sizes"), [(0, []), (1, [1]), (3, [3]), (4, [3, 1]), (7, [3, 3, 1])])
def test_frames_are_cut_into_chunks(spool: Spool, source: Source, n: int, sizes: list[int]) -> None:
    handle = spool(source(n), chunk_rows=3)
    assert [len(chunk) for chunk in handle.chunks()] == sizes
    assert (handle.count, len(handle.parts)) == (n, len(sizes))


def test_rows_can_be_read_again_and_through_a_pickled_handle(spool: Spool, source: Source) -> None:
    handle = spool(source(5), chunk_rows=2)
    first = pd.concat(handle.chunks(), ignore_index=True)
    again = pd.concat(pickle.loads(pickle.dumps(handle)).chunks(), ignore_index=True)
    pd.testing.assert_frame_equal(first, again)
    assert first["document_id"].tolist() == source(5)["document_id"].tolist()


def test_every_chunk_has_an_index_of_its_own(spool: Spool, source: Source) -> None:
    assert [list(chunk.index) for chunk in spool(source(3), chunk_rows=2).chunks()] == [[0, 1], [0]]


def test_deleted_rows_leave_no_files(spool: Spool, source: Source) -> None:
    handle = spool(source(3))
    handle.delete()
    handle.delete()
    assert isinstance(handle.spool, FolderSpool)
    assert not handle.spool.folder.exists()


def _break_after(writer: RowsWriter, frame: pd.DataFrame) -> None:
    with writer:
        writer.append(frame)
        raise ValueError("no more")


def test_a_writer_that_breaks_leaves_no_files(tmp_path: Path, source: Source) -> None:
    with pytest.raises(ValueError, match="no more"):
        _break_after(RowsWriter(tmp_path / "rows", frozenset(), 10), source(3))
    assert not (tmp_path / "rows").exists()


def test_a_writer_replaces_what_an_earlier_attempt_left(tmp_path: Path, source: Source) -> None:
    for n in (5, 2):
        with RowsWriter(tmp_path / "rows", frozenset(), 1) as writer:
            writer.append(source(n))
    assert len(list((tmp_path / "rows").iterdir())) == 2


def _image() -> Image.Image:
    return Image.new("RGB", (2, 2))


@pytest.mark.parametrize(
    "value",
    [_image(), {"deep": [_image()]}, threading.Lock(), 2**70, {1, 2}, "\ud800", {"a": "\ud800"}],
    ids=["image", "nested-image", "lock", "huge-int", "set", "surrogate", "nested-surrogate"],
)
def test_only_rows_with_a_value_that_cannot_be_kept_fail(source: Source, value: object) -> None:
    frame = fail_unwritable(source(3).assign(extra=_objects({"a": 1}, value, None)), frozenset(), Codec.JSON, "keep")
    assert frame[columns.STATE].tolist() == [RowState.LIVE, RowState.FAILED, RowState.LIVE]
    assert "'extra'" in frame[columns.MESSAGE][1]
    assert "'extra'" in frame[columns.SUGGESTION][1]
    back = read_part(write_part(frame, frozenset()))
    assert back["extra"].tolist() == [{"a": 1}, None, None]


def test_stopped_rows_keep_their_reason_and_lose_their_cells(source: Source) -> None:
    frame = source(2, error=["gone", None]).assign(extra=_objects(_image(), [1]), v=_objects([1.0, 2.0], [3.0, 4.0]))
    kept = read_part(write_part(fail_unwritable(frame, frozenset({"v"}), Codec.JSON, "keep"), frozenset({"v"})))
    assert kept[columns.STAGE].tolist() == ["blobs", None]
    assert kept["extra"].tolist() == [None, [1]]
    assert kept["v"][0] is None
    assert kept["v"][1].tolist() == [3.0, 4.0]


def test_records_are_what_pandas_makes_of_rows() -> None:
    frame = pd.DataFrame(
        {
            "text": pd.Series(["x", None]),
            "nullable_text": pd.array(["x", None], dtype="string"),
            "nullable_number": pd.array([1, None], dtype="Int64"),
            "float": np.array([0.5, np.nan], dtype=np.float32),
            "time": pd.Series([pd.Timestamp("2020-01-01", tz="UTC"), pd.NaT]),
            "scalars": pd.Series([np.int64(3), np.datetime64("2020-01-01")], dtype=object),
            "others": pd.Series([{"a": 1}, pd.NA], dtype=object),
        }
    )
    assert [repr(row) for row in records(frame)] == [repr(row) for row in frame.to_dict("records")]
