"""Rows cut so that all workers are done at about the same time."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow as pa
import pytest

from mixpeek_dagster.cluster.pieces import cut_into_pieces, most_pieces
from mixpeek_dagster.engine.rows import Rows
from mixpeek_dagster.engine.spool import FolderSpool


def _rows(parts: int, count: int) -> Rows:
    spool = FolderSpool(Path(tempfile.gettempdir()) / "nothing-is-read-here")
    return Rows(spool, tuple(f"{number:06d}" for number in range(parts)), count, frozenset())


@pytest.mark.parametrize("length", [0, 1, 2, 1000, 1024])
def test_the_shares_of_a_part_are_all_of_its_rows_in_order(length: int) -> None:
    table = pa.table({"row": pa.array(range(length), pa.int64())})
    shares = [piece.of(table) for piece in cut_into_pieces(_rows(1, 1024), 1)]
    assert len(shares) == 4
    assert pa.concat_tables(shares)["row"].to_pylist() == list(range(length))


def test_there_are_enough_pieces_for_each_worker() -> None:
    pieces = cut_into_pieces(_rows(20, 20 * 1024), 2)
    assert len(pieces) == 80
    assert [piece.part for piece in pieces[:3]] == ["000000", "000000", "000000"]


def test_many_parts_go_whole() -> None:
    assert {piece.shares for piece in cut_into_pieces(_rows(128, 128 * 1024), 4)} == {1}


def test_few_rows_are_not_cut() -> None:
    assert most_pieces(_rows(3, 600)) == 3
    assert [piece.shares for piece in cut_into_pieces(_rows(3, 600), 8)] == [1, 1, 1]
