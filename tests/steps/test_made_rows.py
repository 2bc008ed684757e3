"""Rows that a processor makes of one: their ids, positions and order."""

from __future__ import annotations

import pandas as pd

from mixpeek_dagster import ids
from mixpeek_dagster.rows import columns
from tests.steps.processors import Run, Source, states, thrice


def test_rows_made_of_one_get_ids_and_positions_of_their_own(run: Run, source: Source) -> None:
    given = source(2)
    frame, report = run(thrice, given)
    assert (report.rows_in, report.rows_out) == (2, 6)
    assert frame["document_id"].is_unique
    assert frame[columns.POSITION].tolist() == ["0", "1", "2"] * 2
    assert frame["document_id"][4] == ids.child_document_id(given["document_id"][1], "1")


def test_rows_of_one_source_stay_together(run: Run) -> None:
    frame, _ = run(thrice, 4, batch_size=3, chunk_rows=2)
    assert frame[columns.SOURCE_ID].tolist() == [f"blob_{i}" for i in range(4) for _ in range(3)]
    assert frame["part"].tolist() == [0, 1, 2] * 4


def test_rows_made_of_made_rows_have_a_path(run: Run) -> None:
    frame, _ = run(thrice, 1)
    frame, _ = run(thrice, frame.drop(columns="part"))
    assert frame["document_id"].is_unique
    assert frame[columns.POSITION].tolist() == [f"{a}/{b}" for a in range(3) for b in range(3)]


def test_ids_of_made_rows_are_the_same_in_every_run(run: Run) -> None:
    first, _ = run(thrice, 4, batch_size=4)
    second, _ = run(thrice, 4, batch_size=1)
    assert first["document_id"].tolist() == second["document_id"].tolist()


def test_position_fields_name_the_rows_made_of_one(run: Run, source: Source) -> None:
    given = source(1)
    frame, _ = run(thrice, given, position_fields=("part", "unknown"))
    assert frame[columns.POSITION].tolist() == ["part=0", "part=1", "part=2"]
    assert frame["document_id"][1] == ids.child_document_id(given["document_id"][0], "part=1")


def test_two_rows_at_one_position_collide(run: Run) -> None:
    def collide(batch: pd.DataFrame) -> pd.DataFrame:
        return pd.concat([batch.assign(part=0, seen="a"), batch.assign(part=0, seen="b")])

    frame, _ = run(collide, 2, position_fields=("part",))
    assert states(frame) == ["live", "failed"] * 2
    assert frame[columns.CODE].tolist() == [None, "duplicate_position"] * 2
    assert "part=0" in frame[columns.MESSAGE][1]
