"""What became of a row; set on the row itself, so that no row can vanish unnoticed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd

from mixpeek_dagster.errors import ErrorCategory
from mixpeek_dagster.rows import columns


class RowState(StrEnum):
    """LIVE rows go on; the others keep their place and say why they do not."""

    LIVE = "live"
    FILTERED = "filtered"
    FAILED = "failed"
    REUSED = "reused"


@dataclass(frozen=True)
class Outcome:
    """Why a row stopped.

    Args:
        state: filtered, failed or reused.
        stage: the step or op that stopped it.
        code: short stable name of the reason.
        message: the reason in words.
        category: what kind of failure it is; none if it did not fail.
        suggestion: what to do about it.
    """

    state: RowState
    stage: str
    code: str
    message: str
    category: ErrorCategory | None = None
    suggestion: str = ""

    def columns(self) -> dict[str, Any]:
        """By the names of the bookkeeping columns, with None for what does not apply."""
        return {
            columns.STATE: self.state.value,
            columns.STAGE: self.stage,
            columns.CODE: self.code,
            columns.CATEGORY: self.category.value if self.category else None,
            columns.MESSAGE: self.message,
            columns.SUGGESTION: self.suggestion,
        }


def live(frame: pd.DataFrame) -> np.ndarray:
    """Mask of the rows that go on."""
    return (frame[columns.STATE] == RowState.LIVE.value).to_numpy(dtype=bool)


def stop(frame: pd.DataFrame, mask: np.ndarray, outcome: Outcome) -> pd.DataFrame:
    """The frame with the masked rows stopped for one reason."""
    return stop_each(frame, np.flatnonzero(mask), [outcome] * int(mask.sum()))


def stop_each(frame: pd.DataFrame, positions: Sequence[int] | np.ndarray, outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """The frame with the rows at these positions stopped, each for its own reason."""
    if len(outcomes) == 0:
        return frame
    frame = frame.copy()
    rows = [outcome.columns() for outcome in outcomes]
    for name in rows[0]:
        values = frame[name].astype(object).to_numpy(copy=True)
        values[np.asarray(positions)] = [row[name] for row in rows]
        frame[name] = pd.Series(values, index=frame.index, dtype=object)
    return frame


def begin(frame: pd.DataFrame, source: str = "blob_id") -> pd.DataFrame:
    """Source rows at the start of their way: live, unless their content could not be read.

    Args:
        frame: rows with the visible and the source columns.
        source: column that names the source row.
    """
    fresh: dict[str, Any] = dict.fromkeys(columns.BOOKKEEPING)
    fresh |= {columns.STATE: RowState.LIVE.value, columns.SOURCE_ID: frame[source], columns.POSITION: ""}
    fresh |= {columns.MATCHED: "", columns.SIBLINGS: 0, columns.ORDER: 0}
    frame = frame.reset_index(drop=True).assign(**fresh)
    unreadable = np.flatnonzero(frame["error"].notna())
    outcomes = [
        Outcome(
            RowState.FAILED,
            "blobs",
            "unreadable",
            str(frame["error"].iloc[i]),
            ErrorCategory.RESOURCE,
            "Mend the object or put it back into S3, then materialize blobs again",
        )
        for i in unreadable
    ]
    return stop_each(frame, unreadable, outcomes)


def stack(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Frames below each other; a column that some lack keeps its values as they are, None where it is missing."""
    names = list(dict.fromkeys(name for frame in frames for name in frame.columns))
    partial = {name: object for name in names if any(name not in frame for frame in frames)}
    whole = [_with_columns(frame, partial)[names] for frame in frames]
    return whole[0] if len(whole) == 1 else pd.concat(whole, ignore_index=True)


def _with_columns(frame: pd.DataFrame, wanted: Mapping[Any, type]) -> pd.DataFrame:
    if not wanted:
        return frame
    missing = {
        name: pd.Series([None] * len(frame), index=frame.index, dtype=object) for name in wanted if name not in frame
    }
    return frame.astype({name: kind for name, kind in wanted.items() if name in frame}).assign(**missing)
