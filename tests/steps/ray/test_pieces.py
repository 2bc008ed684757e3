"""Rows cut so that all workers are done at about the same time."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow as pa
import pytest

from mixpeek_dagster.rows.rows import Rows
from mixpeek_dagster.rows.spool import FolderSpool
from mixpeek_dagster.steps.ray.pieces import cut_into_pieces, most_pieces


def _rows(parts: int, count: int) -> Rows:
    spool = FolderSpool(Path(tempfile.gettempdir()) / "nothing-is-read-here")
    return Rows(spool, tuple(f"{number:06d}" for number in range(parts)), count, frozenset())


@pytest.mark.parametrize("length", [0, 1, 2, 1000, 1024])
def test_the_shares_of_a_part_are_all_of_its_rows_in_order(length: int) -> None:
    table = pa.table({"row": pa.array(range(length), pa.int64())})
    shares = [piece.of(table) for piece in cut_into_pieces(_rows(1, 1024), 2)]
    assert len(shares) == 6
    assert pa.concat_tables(shares)["row"].to_pylist() == list(range(length))


def test_whole_parts_come_first_and_small_shares_last() -> None:
    pieces = cut_into_pieces(_rows(20, 20 * 1024), 2)
    assert [piece.part for piece in pieces] == sorted(piece.part for piece in pieces)
    by_part = {piece.part: piece.shares for piece in pieces}
    assert list(by_part.values()) == [1] * 15 + [2, 2, 2, 3, 6]


def test_each_of_many_workers_gets_pieces() -> None:
    pieces = cut_into_pieces(_rows(20, 20 * 1024), 40)
    assert len(pieces) > 3 * 40
    assert (pieces[0].shares, pieces[-1].shares) == (6, 8)


def test_few_rows_are_not_cut() -> None:
    assert most_pieces(_rows(3, 600)) == 3
    assert [piece.shares for piece in cut_into_pieces(_rows(3, 600), 8)] == [1, 1, 1]
