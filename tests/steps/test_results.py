"""What a processor gives back, held against its batch: which row is whose, and what of it may change."""

from __future__ import annotations

import threading

import pandas as pd
import pytest

from mixpeek_dagster.plugins.pipeline import RowCondition
from mixpeek_dagster.rows import columns
from tests.steps.processors import Run, Source, function, states, thrice


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
    assert states(frame) == ["live", "failed", "live", "live"]


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
    assert states(frame) == ["live"] * 3


def test_a_result_of_only_new_columns_is_joined_in_order(run: Run, source: Source) -> None:
    given = source(3)
    frame, report = run(lambda batch: pd.DataFrame({"seen": [text[-1] for text in batch["data"]]}), given)
    assert frame["seen"].tolist() == ["0", "1", "2"]
    assert frame["data"].tolist() == given["data"].tolist()
    assert report.columns_added == ("seen",)


def test_columns_left_out_are_those_of_the_parent(run: Run) -> None:
    frame, _ = run(lambda batch: thrice(batch)[["document_id", "part"]], 2)
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
    frame, report = run(function, frame, condition=RowCondition.IS_IMAGE)
    assert report.rows_matched == 2
    assert frame["seen"].tolist() == ["TEXT 0", "TEXT 1"]


def test_vectors_are_reported_only_by_the_step_that_writes_them(run: Run) -> None:
    frame, report = run(lambda batch: batch.assign(v=[[1.0, 2.0]] * len(batch)), 3)
    assert report.vectors_written == ("v",)
    assert frame["v"][0].tolist() == [1.0, 2.0]
    assert run(function, frame)[1].vectors_written == ()


@pytest.mark.parametrize("value", ["\ud800", threading.Lock()], ids=["surrogate", "lock"])
def test_a_value_that_cannot_travel_costs_only_its_row(run: Run, value: object) -> None:
    def spoil(batch: pd.DataFrame) -> pd.DataFrame:
        cells = [value if text == "text 1" else text for text in batch["data"]]
        return batch.assign(seen=pd.Series(cells, dtype=object))

    frame, _ = run(spoil, 3)
    assert states(frame) == ["live", "failed", "live"]
