"""What a processor that raises, exits or answers too little costs: its own rows, and no others."""

from __future__ import annotations

import pandas as pd
import pytest

from mixpeek_dagster.plugins.pipeline import RowCondition
from mixpeek_dagster.rows import columns
from tests.steps.processors import MIMES, Recorder, Run, Source, states


@pytest.mark.parametrize("error", [RuntimeError("no weights"), SystemExit(3), ImportError("no weights")])
def test_a_constructor_that_fails_fails_every_matched_row_alike(run: Run, source: Source, error: BaseException) -> None:
    tries: list[int] = []

    class Broken:
        def __init__(self) -> None:
            tries.append(1)
            raise error

        def __call__(self, batch: pd.DataFrame) -> pd.DataFrame:
            return batch

    given = source(6, mime_type=MIMES)
    frame, report = run(Broken, given, condition=RowCondition.IS_TEXT, batch_size=1)
    assert states(frame) == ["failed"] + ["live"] * 5
    frame, report = run(Broken, 5, batch_size=2)
    assert len(tries) == 2
    assert report.rows_failed == 5
    assert set(frame[columns.CODE]) == {"constructor_failed"}
    assert len(set(frame[columns.MESSAGE])) == 1
    assert frame[columns.MESSAGE][0].startswith("the processor could not be made: ")


def test_a_poison_row_costs_only_itself(run: Run) -> None:
    def refuse(batch: pd.DataFrame) -> pd.DataFrame:
        if "text 13" in set(batch["data"]):
            raise ValueError("poison")
        return batch.assign(seen=1)

    recorder = Recorder(refuse)
    frame, report = run(recorder, 32, batch_size=32)
    assert [index for index, state in enumerate(states(frame)) if state == "failed"] == [13]
    assert report.rows_failed == 1
    assert "ValueError: poison" in frame[columns.MESSAGE][13]
    assert frame["data"].tolist() == [f"text {i}" for i in range(32)]
    assert len(recorder.batches) == 1 + 2 * 5


def test_a_step_that_fails_on_every_row_is_given_up_after_few_calls(run: Run) -> None:
    def refuse(batch: pd.DataFrame) -> pd.DataFrame:
        raise ValueError("always")

    recorder = Recorder(refuse)
    frame, report = run(recorder, 1000, batch_size=64, chunk_rows=300)
    assert len(recorder.batches) < 30
    assert report.rows_failed == 1000
    assert set(frame[columns.CODE]) == {"raised_ValueError"}


def test_a_step_that_once_worked_is_not_given_up(run: Run) -> None:
    def refuse(batch: pd.DataFrame) -> pd.DataFrame:
        if any(int(text.split()[1]) % 40 for text in batch["data"]):
            raise ValueError("almost always")
        return batch

    frame, _ = run(refuse, 100, batch_size=16)
    assert [index for index, state in enumerate(states(frame)) if state == "live"] == [0, 40, 80]


def test_a_missing_column_is_answered_with_those_there_are(run: Run) -> None:
    frame, _ = run(lambda batch: batch["video_url"], 2)
    suggestion = frame[columns.SUGGESTION][0]
    assert frame[columns.CATEGORY].tolist() == ["validation"] * 2
    assert "'video_url'" in suggestion
    assert ", ".join(columns.VISIBLE) in suggestion
    assert "object_key" not in suggestion


def test_an_exit_in_a_processor_costs_only_its_row(run: Run) -> None:
    def leave(batch: pd.DataFrame) -> pd.DataFrame:
        if "text 1" in set(batch["data"]):
            raise SystemExit(2)
        return batch

    frame, _ = run(leave, 3)
    assert states(frame) == ["live", "failed", "live"]
    assert "exit(2)" in frame[columns.MESSAGE][1]


def test_rows_that_are_not_returned_fail_as_lost(run: Run) -> None:
    frame, report = run(lambda batch: batch[batch["size_bytes"] % 2 == 0], 5)
    assert states(frame) == ["live", "failed", "live", "failed", "live"]
    assert frame[columns.CODE].tolist() == [None, "row_lost", None, "row_lost", None]
    assert report.rows_failed == 2


def test_a_batch_that_comes_back_empty_is_lost(run: Run) -> None:
    frame, _ = run(lambda batch: batch.iloc[:0], 3)
    assert frame[columns.CODE].tolist() == ["row_lost"] * 3
