"""Processors of the tests, and what tests ask of their rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from mixpeek_dagster.rows import columns

Source = Callable[..., pd.DataFrame]
Run = Callable[..., Any]

MIMES = ["text/plain", "image/png", "application/pdf", "video/mp4", "audio/flac", None]


def function(batch: pd.DataFrame) -> pd.DataFrame:
    return batch.assign(seen=batch["data"].str.upper())


class Recorder:
    """Calls `inner` and remembers the batches it was given."""

    def __init__(self, inner: Callable[[pd.DataFrame], Any] = lambda batch: batch) -> None:
        self.inner = inner
        self.batches: list[pd.DataFrame] = []

    def __call__(self, batch: pd.DataFrame) -> Any:
        self.batches.append(batch.copy())
        return self.inner(batch)


def states(frame: pd.DataFrame) -> list[str]:
    return [str(state) for state in frame[columns.STATE]]


def thrice(batch: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([batch.assign(part=part) for part in range(3)])
