"""Every source row ends in exactly one way, and a run that made nothing says which counter fell to zero."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixpeek_dagster.plugins.pipeline import RowCondition
from mixpeek_dagster.plugins.spec import Distance, Feature, InputField
from mixpeek_dagster.rows import columns
from mixpeek_dagster.rows.ledger import Ledger, Tally
from mixpeek_dagster.rows.select import map_inputs
from mixpeek_dagster.rows.vectors import check_vectors
from tests.rows.conftest import apply_source_filters, mark_reused

Source = Callable[..., pd.DataFrame]
Run = Callable[..., Any]

_V = Feature("v", 2, Distance.COSINE)


def _ledger(*frames: pd.DataFrame, written: int = 0, fetched: int | None = None) -> Ledger:
    tally = Tally()
    for frame in frames:
        tally.add(frame)
    return tally.ledger(documents_written=written, fetched=fetched)


def _embedded(source: Source, vector: Any) -> pd.DataFrame:
    return check_vectors(source(3, v=[vector] * 3).assign(**{columns.MATCHED: "Embed"}), [_V], {})


def _nothing(source: Source) -> pd.DataFrame:
    return source(0)


def _all_filtered(source: Source) -> pd.DataFrame:
    return apply_source_filters(source(3), {"data": "other"}, [])


def _all_missing(source: Source) -> pd.DataFrame:
    return map_inputs(source(3, blob_type="image"), {"title": InputField("title", True, "string")}, {})


def _no_vectors(source: Source) -> pd.DataFrame:
    return _embedded(source, [0.0, 0.0])


def _none_written(source: Source) -> pd.DataFrame:
    return _embedded(source, [1.0, 2.0])


@pytest.mark.parametrize(
    ("make", "counter", "said"),
    [
        (_nothing, "source_documents_fetched", "no rows"),
        (_all_filtered, "documents_after_source_filter", "All 3 rows were filtered"),
        (_all_missing, "documents_submitted_to_engine", "All 3 rows lack"),
        (_no_vectors, "documents_expected", "3 failed, 0 filtered"),
        (_none_written, "documents_written", "3 documents were sent"),
    ],
)
def test_a_run_that_made_nothing_names_the_counter_and_a_fix(
    source: Source, make: Callable[[Source], pd.DataFrame], counter: str, said: str
) -> None:
    ledger = _ledger(make(source))
    zero = ledger.zero()
    assert zero is not None
    assert zero.counter == counter
    assert ledger.counters()[counter] == 0
    assert said in zero.message
    assert zero.fix
    assert ledger.balance() == []


def test_a_run_that_wrote_is_no_zero(source: Source) -> None:
    ledger = _ledger(_none_written(source), written=3)
    assert ledger.zero() is None
    assert ledger.reason() == "3 documents written"
    assert ledger.summary() == "3 rows = 3 written + 0 filtered + 0 failed + 0 reused"


def test_a_run_whose_rows_are_all_reused_is_no_zero(source: Source) -> None:
    ledger = _ledger(mark_reused(source(2), {"blob_0": 1, "blob_1": 4}))
    assert ledger.zero() is None
    assert ledger.documents_reused == 2
    assert ledger.documents_submitted_to_engine == 0
    assert "2 rows are unchanged" in ledger.reason()
    assert ledger.balance() == []


def test_reused_rows_do_not_hide_documents_that_are_not_there(source: Source) -> None:
    frame = mark_reused(_none_written(source), {"blob_0": 1})
    zero = _ledger(frame).zero()
    assert zero is not None
    assert zero.counter == "documents_written"


def test_a_source_counts_by_the_worst_of_its_rows(source: Source) -> None:
    good, bad = _embedded(source, [1.0, 2.0]), _embedded(source, None)
    for frames in ((good, bad.iloc[:1]), (bad.iloc[:1], good)):
        ledger = _ledger(*frames, written=3)
        assert (ledger.documents_failed, ledger.sources_written, ledger.documents_expected) == (1, 2, 3)
        assert ledger.balance() == []


def test_rows_that_never_arrived_break_the_balance(source: Source) -> None:
    ledger = _ledger(_none_written(source), written=3, fetched=5)
    assert ledger.rows_lost == 2
    assert "2 rows that were selected" in ledger.balance()[0]


def test_counters_that_do_not_add_up_are_named() -> None:
    wrong = Ledger(source_documents_fetched=3, documents_after_source_filter=3, sources_written=2).balance()
    assert any("3 rows fetched, but 2 written" in line for line in wrong)
    assert any("3 rows should have gone to the steps, 0 did" in line for line in wrong)


def test_every_way_to_end_is_counted_once(source: Source) -> None:
    frame = source(5, error=["gone", None, None, None, None], v=[[1.0, 2.0]] * 5)
    frame[columns.MATCHED] = ["", "Embed", "Embed", "Embed", ""]
    frame = apply_source_filters(frame, {"NOT": [{"data": "text 1"}]}, [])
    ledger = _ledger(check_vectors(mark_reused(frame, {"blob_2": 1}), [_V], {}), written=1)
    assert ledger.counters() == {
        "source_documents_fetched": 5,
        "documents_after_source_filter": 4,
        "documents_missing_input_fields": 1,
        "documents_reused": 1,
        "documents_submitted_to_engine": 2,
        "documents_filtered": 2,
        "documents_failed": 1,
        "sources_written": 1,
        "documents_expected": 1,
        "documents_written": 1,
        "rows_lost": 0,
    }
    assert ledger.balance() == []


_KINDS = ("keep", "drop", "raise", "exit", "multiply", "twice", "stranger", "nan", "empty", "shuffle", "nothing")


class _Chaos:
    """Treats each row by the place of its source, as a drawn plan says."""

    def __init__(self, plan: list[str]) -> None:
        self._plan = plan

    def __call__(self, batch: pd.DataFrame) -> Any:
        kinds = [self._plan[int(blob.split("_")[1]) % len(self._plan)] for blob in batch["blob_id"]]
        if "raise" in kinds:
            raise ValueError("drawn")
        if "exit" in kinds:
            raise SystemExit(1)
        if "nothing" in kinds:
            return None
        parts = [self._treat(batch.iloc[[row]], kind) for row, kind in enumerate(kinds)]
        made = pd.concat(parts, ignore_index=True)
        return made.iloc[::-1] if "shuffle" in kinds else made

    def _treat(self, row: pd.DataFrame, kind: str) -> pd.DataFrame:
        vector = {"nan": [float("nan"), 1.0], "empty": []}.get(kind, [1.0, 2.0])
        cells = np.empty(1, dtype=object)
        cells[0] = vector
        row = row.assign(v=cells)
        if kind == "drop":
            return row.iloc[:0]
        if kind == "multiply":
            return pd.concat([row.assign(part=part) for part in range(3)])
        if kind == "twice":
            return pd.concat([row, row])
        return row.assign(document_id="doc_stranger") if kind == "stranger" else row


_STEPS = st.lists(
    st.tuples(
        st.lists(st.sampled_from(_KINDS), min_size=1, max_size=6),
        st.sampled_from([RowCondition.ALWAYS, RowCondition.IS_TEXT, RowCondition.IS_IMAGE]),
        st.integers(1, 5),
    ),
    max_size=3,
)
_SOURCES = st.lists(
    st.tuples(st.sampled_from(["text/plain", "image/png", "video/mp4"]), st.sampled_from([None, None, "gone"])),
    max_size=10,
)


@settings(deadline=None, max_examples=60)
@given(_SOURCES, _STEPS, st.sets(st.integers(0, 9)), st.sets(st.integers(0, 9)), st.integers(1, 4))
def test_the_ledger_balances_whatever_the_steps_do(
    source: Source,
    run: Run,
    sources: list[tuple[str, str | None]],
    steps: list[tuple[list[str], RowCondition, int]],
    filtered: set[int],
    reused: set[int],
    chunk_rows: int,
) -> None:
    n = len(sources)
    frame = source(n, mime_type=[mime for mime, _ in sources], error=[error for _, error in sources])
    frame = apply_source_filters(frame, {"NOT": [{"data": f"text {i}"} for i in filtered]}, [])
    frame = mark_reused(frame, {f"blob_{i}": 1 for i in reused})
    before = frame.set_index("blob_id")[columns.STATE].to_dict()
    for plan, condition, batch_size in steps:
        made, report = run(_Chaos(plan), frame, condition=condition, batch_size=batch_size, chunk_rows=chunk_rows)
        assert (report.rows_in, report.rows_out) == (len(frame), len(made))
        frame = made if len(made) else frame
    final = check_vectors(frame, [_V], {})
    written = int((final[columns.STATE] == "live").sum())
    ledger = _ledger(final, written=written, fetched=n)
    assert ledger.balance() == []
    assert ledger.rows_lost == 0
    assert set(final[columns.SOURCE_ID]) == set(before)
    assert final.loc[final[columns.STATE] == "live", "document_id"].is_unique
    if written or not ledger.documents_reused:
        assert (ledger.zero() is None) == bool(written)
    for source_id, state in zip(final[columns.SOURCE_ID], final[columns.STATE], strict=True):
        assert before[source_id] in ("live", state)
    stopped = final[final[columns.STATE].isin(["failed", "filtered"])]
    assert stopped[columns.STAGE].notna().all()
    assert stopped[columns.MESSAGE].notna().all()


@settings(deadline=None, max_examples=40)
@given(_SOURCES, _STEPS, st.integers(1, 6), st.integers(1, 6))
def test_chunk_size_changes_nothing_about_the_rows(
    source: Source,
    run: Run,
    sources: list[tuple[str, str | None]],
    steps: list[tuple[list[str], RowCondition, int]],
    one: int,
    other: int,
) -> None:
    # A plan that fails everywhere is given up after some rows, but their reason is the same.
    frame = source(len(sources), mime_type=[mime for mime, _ in sources], error=[error for _, error in sources])
    ends = []
    for chunk_rows in (one, other):
        made = frame
        for plan, condition, _ in steps:
            kinds = [kind for kind in plan if kind != "stranger"] or ["keep"]
            out, _ = run(_Chaos(kinds), made, condition=condition, batch_size=1, chunk_rows=chunk_rows)
            made = out if len(out) else made
        ends.append(made[["document_id", columns.SOURCE_ID, columns.STATE, columns.POSITION]].to_dict("records"))
    assert ends[0] == ends[1]
