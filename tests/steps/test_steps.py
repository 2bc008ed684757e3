"""What a step's processor sees, and what becomes of rows whatever it does to them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from mixpeek_dagster import ids
from mixpeek_dagster.plugins.pipeline import RowCondition
from mixpeek_dagster.rows import columns

Source = Callable[..., pd.DataFrame]
Run = Callable[..., Any]

_MIMES = ["text/plain", "image/png", "application/pdf", "video/mp4", "audio/flac", None]


class _Sync:
    def __call__(self, batch: pd.DataFrame) -> pd.DataFrame:
        batch["seen"] = batch["data"].str.upper()
        return batch


class _Async:
    async def __call__(self, batch: pd.DataFrame) -> pd.DataFrame:
        return batch.assign(seen=batch["data"].str.upper())


def _function(batch: pd.DataFrame) -> pd.DataFrame:
    return batch.assign(seen=batch["data"].str.upper())


async def _coroutine(batch: pd.DataFrame) -> pd.DataFrame:
    return batch.assign(seen=batch["data"].str.upper())


class _Recorder:
    """Calls `inner` and remembers the batches it was given."""

    def __init__(self, inner: Callable[[pd.DataFrame], Any] = lambda batch: batch) -> None:
        self.inner = inner
        self.batches: list[pd.DataFrame] = []

    def __call__(self, batch: pd.DataFrame) -> Any:
        self.batches.append(batch.copy())
        return self.inner(batch)


def _states(frame: pd.DataFrame) -> list[str]:
    return [str(state) for state in frame[columns.STATE]]


@pytest.mark.parametrize("target", [_Sync, _Sync(), _Async, _Async(), _function, _coroutine])
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
    recorder = _Recorder()
    run(recorder, 5, batch_size=2, chunk_rows=4)
    assert [len(batch) for batch in recorder.batches] == [2, 2, 1]
    for batch in recorder.batches:
        assert tuple(batch.columns) == columns.VISIBLE
        assert list(batch.index) == list(range(len(batch)))


def test_processors_see_columns_that_earlier_steps_made(run: Run) -> None:
    frame, _ = run(_function, 2)
    recorder = _Recorder()
    run(recorder, frame)
    assert tuple(recorder.batches[0].columns) == (*columns.VISIBLE, "seen")


def test_batches_hold_only_matching_rows(run: Run, source: Source) -> None:
    recorder = _Recorder()
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
    given = source(6, mime_type=_MIMES)
    frame, report = run(_function, given, condition=condition)
    assert [index for index in range(6) if isinstance(frame["seen"][index], str)] == wanted
    assert report.rows_matched == len(wanted)
    assert frame["document_id"].tolist() == given["document_id"].tolist()
    assert [index for index in range(6) if frame[columns.MATCHED][index]] == wanted


def test_unmatched_rows_keep_their_cells_and_place(run: Run, source: Source) -> None:
    def spoil(batch: pd.DataFrame) -> pd.DataFrame:
        return batch.assign(data="spoiled")

    given = source(6, mime_type=_MIMES)
    frame, _ = run(spoil, given, condition=RowCondition.IS_PDF)
    assert frame["data"].tolist() == ["text 0", "text 1", "spoiled", "text 3", "text 4", "text 5"]


def test_a_step_that_no_row_matches_changes_nothing_and_warns(run: Run) -> None:
    recorder = _Recorder()
    frame, report = run(recorder, 3, condition=RowCondition.IS_VIDEO)
    assert recorder.batches == []
    assert report.warnings == ("0 of 3 rows matched IS_VIDEO",)
    assert _states(frame) == ["live"] * 3


def test_stopped_rows_are_not_given_to_the_processor(run: Run, source: Source) -> None:
    recorder = _Recorder()
    frame, _ = run(recorder, source(3, error=[None, "gone", None]))
    assert recorder.batches[0]["data"].tolist() == ["text 0", "text 2"]
    assert _states(frame) == ["live", "failed", "live"]
    assert frame[columns.STAGE][1] == "blobs"


def test_a_step_that_does_not_count_leaves_rows_unmatched(run: Run) -> None:
    assert run(_function, 2, counts=False)[0][columns.MATCHED].tolist() == ["", ""]
    assert run(_function, 2)[0][columns.MATCHED].tolist() == ["_function"] * 2


def test_progress_ends_with_all_rows_done(run: Run) -> None:
    seen: list[tuple[int, int]] = []
    run(_function, 7, batch_size=2, chunk_rows=4, progress=lambda done, of: seen.append((done, of)))
    assert seen == [(2, 7), (4, 7), (6, 7), (7, 7)]


@pytest.mark.parametrize("error", [RuntimeError("no weights"), SystemExit(3), ImportError("no weights")])
def test_a_constructor_that_fails_fails_every_matched_row_alike(run: Run, source: Source, error: BaseException) -> None:
    tries: list[int] = []

    class Broken:
        def __init__(self) -> None:
            tries.append(1)
            raise error

        def __call__(self, batch: pd.DataFrame) -> pd.DataFrame:
            return batch

    given = source(6, mime_type=_MIMES)
    frame, report = run(Broken, given, condition=RowCondition.IS_TEXT, batch_size=1)
    assert _states(frame) == ["failed"] + ["live"] * 5
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

    recorder = _Recorder(refuse)
    frame, report = run(recorder, 32, batch_size=32)
    assert [index for index, state in enumerate(_states(frame)) if state == "failed"] == [13]
    assert report.rows_failed == 1
    assert "ValueError: poison" in frame[columns.MESSAGE][13]
    assert frame["data"].tolist() == [f"text {i}" for i in range(32)]
    assert len(recorder.batches) == 1 + 2 * 5


def test_a_step_that_fails_on_every_row_is_given_up_after_few_calls(run: Run) -> None:
    def refuse(batch: pd.DataFrame) -> pd.DataFrame:
        raise ValueError("always")

    recorder = _Recorder(refuse)
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
    assert [index for index, state in enumerate(_states(frame)) if state == "live"] == [0, 40, 80]


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
    assert _states(frame) == ["live", "failed", "live"]
    assert "exit(2)" in frame[columns.MESSAGE][1]


def test_rows_that_are_not_returned_fail_as_lost(run: Run) -> None:
    frame, report = run(lambda batch: batch[batch["size_bytes"] % 2 == 0], 5)
    assert _states(frame) == ["live", "failed", "live", "failed", "live"]
    assert frame[columns.CODE].tolist() == [None, "row_lost", None, "row_lost", None]
    assert report.rows_failed == 2


def test_a_batch_that_comes_back_empty_is_lost(run: Run) -> None:
    frame, _ = run(lambda batch: batch.iloc[:0], 3)
    assert frame[columns.CODE].tolist() == ["row_lost"] * 3


def _thrice(batch: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([batch.assign(part=part) for part in range(3)])


def test_rows_made_of_one_get_ids_and_positions_of_their_own(run: Run, source: Source) -> None:
    given = source(2)
    frame, report = run(_thrice, given)
    assert (report.rows_in, report.rows_out) == (2, 6)
    assert frame["document_id"].is_unique
    assert frame[columns.POSITION].tolist() == ["0", "1", "2"] * 2
    assert frame["document_id"][4] == ids.child_document_id(given["document_id"][1], "1")


def test_rows_of_one_source_stay_together(run: Run) -> None:
    frame, _ = run(_thrice, 4, batch_size=3, chunk_rows=2)
    assert frame[columns.SOURCE_ID].tolist() == [f"blob_{i}" for i in range(4) for _ in range(3)]
    assert frame["part"].tolist() == [0, 1, 2] * 4


def test_rows_made_of_made_rows_have_a_path(run: Run) -> None:
    frame, _ = run(_thrice, 1)
    frame, _ = run(_thrice, frame.drop(columns="part"))
    assert frame["document_id"].is_unique
    assert frame[columns.POSITION].tolist() == [f"{a}/{b}" for a in range(3) for b in range(3)]


def test_ids_of_made_rows_are_the_same_in_every_run(run: Run) -> None:
    first, _ = run(_thrice, 4, batch_size=4)
    second, _ = run(_thrice, 4, batch_size=1)
    assert first["document_id"].tolist() == second["document_id"].tolist()


def test_position_fields_name_the_rows_made_of_one(run: Run, source: Source) -> None:
    given = source(1)
    frame, _ = run(_thrice, given, position_fields=("part", "unknown"))
    assert frame[columns.POSITION].tolist() == ["part=0", "part=1", "part=2"]
    assert frame["document_id"][1] == ids.child_document_id(given["document_id"][0], "part=1")


def test_two_rows_at_one_position_collide(run: Run) -> None:
    def collide(batch: pd.DataFrame) -> pd.DataFrame:
        return pd.concat([batch.assign(part=0, seen="a"), batch.assign(part=0, seen="b")])

    frame, _ = run(collide, 2, position_fields=("part",))
    assert _states(frame) == ["live", "failed"] * 2
    assert frame[columns.CODE].tolist() == [None, "duplicate_position"] * 2
    assert "part=0" in frame[columns.MESSAGE][1]


def test_a_row_returned_twice_is_a_duplicate(run: Run) -> None:
    frame, report = run(lambda batch: pd.concat([batch, batch.iloc[:1]]), 3)
    assert frame[columns.CODE].tolist() == [None, "duplicate_document_id", None, None]
    assert frame[columns.SOURCE_ID].tolist() == ["blob_0", "blob_0", "blob_1", "blob_2"]
    assert report.rows_failed == 1


def test_an_unknown_id_fails_the_row_that_brought_it(run: Run) -> None:
    def rename(batch: pd.DataFrame) -> pd.DataFrame:
        unknown = batch["data"] == "text 1"
        return batch.assign(document_id=batch["document_id"].where(~unknown, "doc_stranger"))

    frame, _ = run(rename, 4)
    assert _states(frame) == ["live", "failed", "live", "live"]


def test_an_extra_row_with_an_unknown_id_fails_the_rows_it_came_with(run: Run) -> None:
    def add(batch: pd.DataFrame) -> pd.DataFrame:
        return pd.concat([batch, batch.assign(document_id="doc_stranger")])

    frame, _ = run(add, 2)
    assert frame[columns.CODE].tolist() == ["unknown_document_ids"] * 2
    assert "'doc_stranger'" in frame[columns.MESSAGE][0]


def test_ids_of_the_processors_own_are_refused(run: Run) -> None:
    frame, _ = run(lambda batch: batch.assign(document_id=[f"x{i}" for i in range(len(batch))]), 3)
    assert frame[columns.CODE].tolist() == ["ids_replaced"] * 3


@pytest.mark.parametrize(
    ("result", "named"), [(None, "None"), ([1, 2], "a list"), ({"a": 1}, "a dict")], ids=["none", "list", "dict"]
)
def test_anything_but_a_frame_fails_the_rows(run: Run, result: object, named: str) -> None:
    frame, _ = run(lambda batch: result, 3)
    assert frame[columns.CODE].tolist() == ["no_dataframe"] * 3
    assert f"returned {named}, not a DataFrame" in frame[columns.MESSAGE][0]


def test_a_column_twice_is_refused(run: Run) -> None:
    frame, _ = run(lambda batch: pd.concat([batch, batch[["data"]]], axis=1), 2)
    assert frame[columns.CODE].tolist() == ["columns_twice"] * 2
    assert "data" in frame[columns.MESSAGE][0]


def test_rows_cannot_be_multiplied_without_ids(run: Run) -> None:
    frame, _ = run(lambda batch: pd.DataFrame({"seen": range(2 * len(batch))}), 2)
    assert frame[columns.CODE].tolist() == ["rows_without_lineage"] * 2


def test_identity_is_restored_whatever_the_processor_did(run: Run, source: Source) -> None:
    def spoil(batch: pd.DataFrame) -> pd.DataFrame:
        others = [name for name in (*columns.PROTECTED, *columns.BOOKKEEPING) if name != "document_id"]
        return batch.assign(**dict.fromkeys(others, "spoiled"), data="new")

    given = source(3)
    frame, _ = run(spoil, given)
    pd.testing.assert_frame_equal(frame[[*columns.PROTECTED]], given[[*columns.PROTECTED]], check_dtype=False)
    assert frame["data"].tolist() == ["new"] * 3
    assert _states(frame) == ["live"] * 3


def test_a_result_of_only_new_columns_is_joined_in_order(run: Run, source: Source) -> None:
    given = source(3)
    frame, report = run(lambda batch: pd.DataFrame({"seen": [text[-1] for text in batch["data"]]}), given)
    assert frame["seen"].tolist() == ["0", "1", "2"]
    assert frame["data"].tolist() == given["data"].tolist()
    assert report.columns_added == ("seen",)


def test_columns_left_out_are_those_of_the_parent(run: Run) -> None:
    frame, _ = run(lambda batch: _thrice(batch)[["document_id", "part"]], 2)
    assert frame["data"].tolist() == ["text 0"] * 3 + ["text 1"] * 3


def test_a_shuffled_result_is_put_in_order_by_document_id(run: Run) -> None:
    def shuffle(batch: pd.DataFrame) -> pd.DataFrame:
        return batch.assign(seen=batch["data"].str[-1]).iloc[::-1].set_index(pd.Index(["x"] * len(batch)))

    frame, _ = run(shuffle, 5, batch_size=3)
    assert frame["data"].tolist() == [f"text {i}" for i in range(5)]
    assert frame["seen"].tolist() == list("01234")


def test_a_processor_may_change_its_batch_in_place(run: Run) -> None:
    def gut(batch: pd.DataFrame) -> pd.DataFrame:
        batch["document_id"] = batch["document_id"].str.upper()
        raise ValueError("late")

    frame, _ = run(gut, 2)
    assert frame["document_id"].str.startswith("doc_").all()


def test_a_new_mime_type_counts_for_the_next_condition(run: Run) -> None:
    frame, _ = run(lambda batch: batch.assign(mime_type="image/png"), 2)
    frame, report = run(_function, frame, condition=RowCondition.IS_IMAGE)
    assert report.rows_matched == 2
    assert frame["seen"].tolist() == ["TEXT 0", "TEXT 1"]


def test_vectors_are_reported_only_by_the_step_that_writes_them(run: Run) -> None:
    frame, report = run(lambda batch: batch.assign(v=[[1.0, 2.0]] * len(batch)), 3)
    assert report.vectors_written == ("v",)
    assert frame["v"][0].tolist() == [1.0, 2.0]
    assert run(_function, frame)[1].vectors_written == ()


@pytest.mark.parametrize("value", ["\ud800", threading.Lock()], ids=["surrogate", "lock"])
def test_a_value_that_cannot_travel_costs_only_its_row(run: Run, value: object) -> None:
    def spoil(batch: pd.DataFrame) -> pd.DataFrame:
        cells = [value if text == "text 1" else text for text in batch["data"]]
        return batch.assign(seen=pd.Series(cells, dtype=object))

    frame, _ = run(spoil, 3)
    assert _states(frame) == ["live", "failed", "live"]
