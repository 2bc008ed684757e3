"""What a step's processor sees, and which rows it is given."""

from __future__ import annotations

import asyncio
from typing import Any

import pandas as pd
import pytest

from mixpeek_dagster.plugins.pipeline import RowCondition
from mixpeek_dagster.rows import columns
from tests.steps.processors import MIMES, Recorder, Run, Source, function, states


class _Sync:
    def __call__(self, batch: pd.DataFrame) -> pd.DataFrame:
        batch["seen"] = batch["data"].str.upper()
        return batch


class _Async:
    async def __call__(self, batch: pd.DataFrame) -> pd.DataFrame:
        return batch.assign(seen=batch["data"].str.upper())


async def _coroutine(batch: pd.DataFrame) -> pd.DataFrame:
    return batch.assign(seen=batch["data"].str.upper())


@pytest.mark.parametrize("target", [_Sync, _Sync(), _Async, _Async(), function, _coroutine])
def test_every_kind_of_processor_runs(run: Run, target: Any) -> None:
    frame, report = run(target, 3, batch_size=2)
    assert frame["seen"].tolist() == ["TEXT 0", "TEXT 1", "TEXT 2"]
    assert (report.rows_in, report.rows_matched, report.rows_out, report.rows_failed) == (3, 3, 3, 0)
    assert report.columns_added == ("seen",)


async def _within_a_loop(run: Run) -> list[str]:
    frame, _ = run(_coroutine, 2)
    return list(frame["seen"])


def test_async_processors_run_where_a_loop_runs_already(run: Run) -> None:
    assert asyncio.run(_within_a_loop(run)) == ["TEXT 0", "TEXT 1"]


def test_a_class_is_made_once_and_gets_its_config(run: Run) -> None:
    made: list[Any] = []

    class Configured:
        def __init__(self, config: Any) -> None:
            made.append(config.size)

        def __call__(self, batch: pd.DataFrame) -> pd.DataFrame:
            return batch

    run(Configured, 5, config={"size": 7}, batch_size=1, chunk_rows=2)
    assert made == [7]


def test_processors_see_the_ten_columns_in_order_and_a_fresh_index(run: Run) -> None:
    recorder = Recorder()
    run(recorder, 5, batch_size=2, chunk_rows=4)
    assert [len(batch) for batch in recorder.batches] == [2, 2, 1]
    for batch in recorder.batches:
        assert tuple(batch.columns) == columns.VISIBLE
        assert list(batch.index) == list(range(len(batch)))


def test_processors_see_columns_that_earlier_steps_made(run: Run) -> None:
    frame, _ = run(function, 2)
    recorder = Recorder()
    run(recorder, frame)
    assert tuple(recorder.batches[0].columns) == (*columns.VISIBLE, "seen")


def test_batches_hold_only_matching_rows(run: Run, source: Source) -> None:
    recorder = Recorder()
    mimes = ["text/plain", "image/png"] * 4
    run(recorder, source(8, mime_type=mimes), condition=RowCondition.IS_IMAGE, batch_size=3)
    assert [batch["data"].tolist() for batch in recorder.batches] == [["text 1", "text 3", "text 5"], ["text 7"]]


@pytest.mark.parametrize(
    ("condition", "wanted"),
    [
        (RowCondition.IS_TEXT, [0]),
        (RowCondition.IS_IMAGE, [1]),
        (RowCondition.IS_PDF, [2]),
        (RowCondition.IS_VIDEO, [3]),
        (RowCondition.IS_AUDIO, [4]),
        (RowCondition.ALWAYS, [0, 1, 2, 3, 4, 5]),
    ],
)
def test_conditions_choose_by_mime_type(run: Run, source: Source, condition: RowCondition, wanted: list[int]) -> None:
    given = source(6, mime_type=MIMES)
    frame, report = run(function, given, condition=condition)
    assert [index for index in range(6) if isinstance(frame["seen"][index], str)] == wanted
    assert report.rows_matched == len(wanted)
    assert frame["document_id"].tolist() == given["document_id"].tolist()
    assert [index for index in range(6) if frame[columns.MATCHED][index]] == wanted


def test_unmatched_rows_keep_their_cells_and_place(run: Run, source: Source) -> None:
    def spoil(batch: pd.DataFrame) -> pd.DataFrame:
        return batch.assign(data="spoiled")

    given = source(6, mime_type=MIMES)
    frame, _ = run(spoil, given, condition=RowCondition.IS_PDF)
    assert frame["data"].tolist() == ["text 0", "text 1", "spoiled", "text 3", "text 4", "text 5"]


def test_a_step_that_no_row_matches_changes_nothing_and_warns(run: Run) -> None:
    recorder = Recorder()
    frame, report = run(recorder, 3, condition=RowCondition.IS_VIDEO)
    assert recorder.batches == []
    assert report.warnings == ("0 of 3 rows matched IS_VIDEO",)
    assert states(frame) == ["live"] * 3


def test_stopped_rows_are_not_given_to_the_processor(run: Run, source: Source) -> None:
    recorder = Recorder()
    frame, _ = run(recorder, source(3, error=[None, "gone", None]))
    assert recorder.batches[0]["data"].tolist() == ["text 0", "text 2"]
    assert states(frame) == ["live", "failed", "live"]
    assert frame[columns.STAGE][1] == "blobs"


def test_a_step_that_does_not_count_leaves_rows_unmatched(run: Run) -> None:
    assert run(function, 2, counts=False)[0][columns.MATCHED].tolist() == ["", ""]
    assert run(function, 2)[0][columns.MATCHED].tolist() == ["function"] * 2


def test_progress_ends_with_all_rows_done(run: Run) -> None:
    seen: list[tuple[int, int]] = []
    run(function, 7, batch_size=2, chunk_rows=4, progress=lambda done, of: seen.append((done, of)))
    assert seen == [(2, 7), (4, 7), (6, 7), (7, 7)]
