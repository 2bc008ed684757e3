"""Are the vectors usable: there, of the declared size, finite, not all zero."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mixpeek_dagster.plugins.spec import Feature
from mixpeek_dagster.rows import columns
from mixpeek_dagster.rows.codec import as_matrix
from mixpeek_dagster.rows.failures import failure
from mixpeek_dagster.rows.missing import is_missing
from mixpeek_dagster.rows.state import Outcome, RowState, live, stop, stop_each

STAGE = "vectors_valid"


def check_vectors(
    frame: pd.DataFrame,
    features: Sequence[Feature],
    producers: Mapping[str, frozenset[str]],
    conditions: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Fail live rows without usable vectors; filter those that no step wanted.

    A row owes a feature's vector unless steps that make it ran, and none of them got the row. Good vectors become
    float32 arrays.

    Args:
        frame: rows after the last step.
        features: what the manifest declares.
        producers: steps that wrote each vector, by feature name.
        conditions: the condition of each step, for the message on rows that none wanted.
    """
    frame = _filter_unwanted(frame, conditions or {})
    for feature in features:
        frame = _check_feature(frame, feature, producers.get(feature.name, frozenset()))
    return frame


def _filter_unwanted(frame: pd.DataFrame, conditions: Mapping[str, str]) -> pd.DataFrame:
    mask = live(frame) & (frame[columns.MATCHED] == "").to_numpy(dtype=bool)
    if not mask.any():
        return frame
    wanted = ", ".join(f"{step} wants {condition}" for step, condition in conditions.items())
    positions = np.flatnonzero(mask)
    outcomes = [
        Outcome(RowState.FILTERED, "row_condition", "no_step_matched", f"no step matched {mime}: {wanted}")
        for mime in frame["mime_type"].iloc[positions]
    ]
    return stop_each(frame, positions, outcomes)


def _check_feature(frame: pd.DataFrame, feature: Feature, producers: frozenset[str]) -> pd.DataFrame:
    owing = live(frame)
    if producers:
        matched = frame[columns.MATCHED].map(lambda names: not producers.isdisjoint(names.split()))
        owing = owing & matched.to_numpy(dtype=bool)
    if not owing.any():
        return frame
    if feature.name not in frame:
        return stop(frame, owing, _no_column(frame, feature))
    positions = np.flatnonzero(owing)
    values = frame[feature.name].iloc[positions].tolist()
    matrix = as_matrix(values)
    if matrix is not None and matrix.shape[1] == feature.dimension and _sound(matrix).all():
        return _with_vectors(frame, feature.name, positions, list(matrix))
    outcomes = {int(at): _judge(value, feature) for at, value in zip(positions, values, strict=True)}
    bad = {position: outcome for position, outcome in outcomes.items() if outcome is not None}
    good = [position for position in outcomes if position not in bad]
    vectors = [np.asarray(frame[feature.name].iloc[position], dtype=np.float32) for position in good]
    frame = _with_vectors(frame, feature.name, np.asarray(good, dtype=np.int64), vectors)
    return stop_each(frame, list(bad), list(bad.values()))


def _sound(matrix: np.ndarray) -> np.ndarray:
    return np.asarray(np.isfinite(matrix).all(axis=1) & matrix.any(axis=1))


def _with_vectors(frame: pd.DataFrame, name: str, positions: np.ndarray, vectors: list[np.ndarray]) -> pd.DataFrame:
    cells = np.empty(len(frame), dtype=object)
    for position, vector in zip(positions, vectors, strict=True):
        cells[position] = vector
    return frame.assign(**{name: pd.Series(cells, index=frame.index, dtype=object)})


def _judge(value: Any, feature: Feature) -> Outcome | None:
    declared = f"{feature.name!r} ({feature.dimension} numbers)"
    if is_missing(value):
        return _invalid("vector_missing", f"vector {declared} is missing", "The processor set nothing for this row")
    try:
        vector = np.asarray(value, dtype=np.float32)
    except (TypeError, ValueError, OverflowError):
        return _invalid(
            "vector_no_numbers", f"vector {declared} is a {type(value).__name__}", "Make it a list of floats"
        )
    if vector.ndim != 1 or vector.size != feature.dimension:
        found = f"{vector.size} numbers" if vector.ndim == 1 else f"an array of shape {vector.shape}"
        fix = "Make embedding_dim in the manifest that of the model" if vector.size else "The processor gave up on it"
        return _invalid("vector_wrong_size", f"vector {declared} has {found}", fix)
    if not np.isfinite(vector).all():
        return _invalid("vector_not_finite", f"vector {declared} holds NaN or infinity", "Look at the model's output")
    if not vector.any():
        fix = "A zero vector often stands for a failure that the processor swallowed"
        return _invalid("vector_all_zero", f"vector {declared} is all zeros", fix)
    return None


def _no_column(frame: pd.DataFrame, feature: Feature) -> Outcome:
    message = f"no step wrote the column {feature.name!r}"
    own = [name for name in frame.columns if name not in (*columns.VISIBLE, *columns.SOURCE, *columns.BOOKKEEPING)]
    for name in own:
        if _length(frame[name]) == feature.dimension:
            fix = f"Column {name!r} holds {feature.dimension} numbers: rename it to {feature.name!r}"
            return _invalid("vector_column_missing", message, fix)
    listed = ", ".join(map(str, own)) or "none"
    fix = f"Write batch[{feature.name!r}] in a processor. Columns that steps made: {listed}"
    return _invalid("vector_column_missing", message, fix)


def _length(column: pd.Series) -> int | None:
    present = column.dropna()
    value = present.iloc[0] if len(present) else None
    return len(value) if isinstance(value, list | tuple | np.ndarray) else None


def _invalid(code: str, message: str, fix: str) -> Outcome:
    return failure(STAGE, code, message, fix)
