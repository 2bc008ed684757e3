"""Vectors are judged row by row; no row goes on without a usable one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mixpeek_dagster.plugins.spec import Distance, Feature
from mixpeek_dagster.rows import columns
from mixpeek_dagster.rows.vectors import check_vectors

Source = Callable[..., pd.DataFrame]

_V = Feature("v", 3, Distance.COSINE)
_W = Feature("w", 2, Distance.DOT)
_MADE = {"v": frozenset({"Embed"})}


def _checked(source: Source, *values: Any) -> pd.DataFrame:
    frame = source(len(values)).assign(**{columns.MATCHED: "Embed"})
    cells = np.empty(len(values), dtype=object)
    for index, value in enumerate(values):
        cells[index] = value
    return check_vectors(frame.assign(v=pd.Series(cells, dtype=object)), [_V], _MADE)


@pytest.mark.parametrize(
    "value",
    [
        [1, 2, 3],
        (1.0, 2.0, 3.0),
        np.array([1, 2, 3], dtype=np.float64),
        np.array([1, 2, 3], dtype=np.int64),
        np.array([1, 2, 3], dtype=np.float16),
        pd.Series([1.0, 2.0, 3.0]),
    ],
    ids=["list", "tuple", "float64", "int64", "float16", "series"],
)
@pytest.mark.parametrize("alone", [True, False])
def test_good_vectors_become_float32_arrays(source: Source, value: Any, alone: bool) -> None:
    frame = _checked(source, value) if alone else _checked(source, value, None)
    assert frame[columns.STATE][0] == "live"
    assert frame["v"][0].dtype == np.float32
    assert frame["v"][0].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "vector_missing"),
        (float("nan"), "vector_missing"),
        (pd.NA, "vector_missing"),
        ([], "vector_wrong_size"),
        ([1.0, 2.0], "vector_wrong_size"),
        ([[1.0, 2.0, 3.0]], "vector_wrong_size"),
        (1.5, "vector_wrong_size"),
        ([[1.0], [2.0, 3.0], [1.0]], "vector_no_numbers"),
        ("text", "vector_no_numbers"),
        ({"a": 1}, "vector_no_numbers"),
        ([None, 1.0, 2.0], "vector_not_finite"),
        ([float("nan"), 1.0, 2.0], "vector_not_finite"),
        ([float("inf"), 1.0, 2.0], "vector_not_finite"),
        ([0.0, 0.0, 0.0], "vector_all_zero"),
    ],
)
def test_bad_vectors_fail_only_their_row(source: Source, value: Any, code: str) -> None:
    frame = _checked(source, [1.0, 2.0, 3.0], value, [4.0, 5.0, 6.0])
    assert frame[columns.CODE].tolist() == [None, code, None]
    assert frame[columns.STATE].tolist() == ["live", "failed", "live"]
    assert "'v' (3 numbers)" in frame[columns.MESSAGE][1]
    assert frame[columns.SUGGESTION][1]
    assert frame["v"][2].tolist() == [4, 5, 6]
    assert frame["v"][1] is None


@pytest.mark.filterwarnings("ignore:overflow encountered")
@pytest.mark.parametrize("value", [[1e300, 1.0, 2.0], [10**400, 1.0, 2.0]], ids=["float", "int"])
def test_numbers_beyond_float32_fail_only_their_row(source: Source, value: Any) -> None:
    frame = _checked(source, [1.0, 2.0, 3.0], value)
    assert frame[columns.STATE].tolist() == ["live", "failed"]


def test_a_missing_column_is_answered_with_the_one_of_the_right_size(source: Source) -> None:
    frame = source(2, other=[[1.0, 2.0], [3.0, 4.0]], embedding=[None, [1.0, 2.0, 3.0]])
    checked = check_vectors(frame.assign(**{columns.MATCHED: "Embed"}), [_V], {})
    assert checked[columns.CODE].tolist() == ["vector_column_missing"] * 2
    assert checked[columns.SUGGESTION][0] == "Column 'embedding' holds 3 numbers: rename it to 'v'"


@pytest.mark.parametrize(("own", "listed"), [({}, "none"), ({"title": "x", "n": 1}, "title, n")])
def test_a_missing_column_is_answered_with_those_that_steps_made(
    source: Source, own: dict[str, Any], listed: str
) -> None:
    checked = check_vectors(source(1).assign(**own, **{columns.MATCHED: "Embed"}), [_V], {})
    assert checked[columns.SUGGESTION][0].endswith(f"Columns that steps made: {listed}")


def _two(source: Source) -> pd.DataFrame:
    frame = source(3, v=[[1.0, 2.0, 3.0], None, None], w=[None, [1.0, 2.0], None])
    return frame.assign(**{columns.MATCHED: ["Text", "Image", "Text Image"]})


def test_a_row_owes_only_vectors_of_steps_that_got_it(source: Source) -> None:
    producers = {"v": frozenset({"Text"}), "w": frozenset({"Image"})}
    checked = check_vectors(_two(source), [_V, _W], producers)
    assert checked[columns.STATE].tolist() == ["live", "live", "failed"]
    assert checked["v"][0].tolist() == [1, 2, 3]
    assert checked["w"][1].tolist() == [1, 2]


def test_a_row_owes_vectors_that_no_step_made(source: Source) -> None:
    checked = check_vectors(_two(source), [_V, _W], {"v": frozenset({"Text"})})
    assert checked[columns.STATE].tolist() == ["failed", "live", "failed"]
    assert "'w'" in checked[columns.MESSAGE][0]


def test_a_step_name_is_not_found_within_another(source: Source) -> None:
    frame = source(1, v=[None]).assign(**{columns.MATCHED: "Embed_2"})
    assert check_vectors(frame, [_V], _MADE)[columns.STATE].tolist() == ["live"]


def test_rows_that_no_step_wanted_are_filtered_and_told_why(source: Source) -> None:
    frame = source(2, mime_type=["text/plain", "video/mp4"], v=[[1.0, 2.0, 3.0], None])
    frame[columns.MATCHED] = ["Embed", ""]
    checked = check_vectors(frame, [_V], _MADE, {"Embed": "is_text", "Look": "is_image"})
    assert checked[columns.STATE].tolist() == ["live", "filtered"]
    assert checked[columns.MESSAGE][1] == "no step matched video/mp4: Embed wants is_text, Look wants is_image"


def test_rows_that_stopped_before_are_left_alone(source: Source) -> None:
    frame = source(2, error=["gone", "gone"])
    pd.testing.assert_frame_equal(check_vectors(frame, [_V], _MADE), frame)
