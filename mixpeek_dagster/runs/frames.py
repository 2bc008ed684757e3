"""Rows of an asset as a re-iterable stream of DataFrames, with what is known about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Frames:
    """A stream of DataFrames that can be read again; memory holds one at a time.

    `metadata` travels with the rows; `summary` is asked once they have been read to the end.
    """

    open: Callable[[], Iterator[pd.DataFrame]]
    vectors: frozenset[str] = frozenset()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    summary: Callable[[], Mapping[str, Any]] = dict

    def __iter__(self) -> Iterator[pd.DataFrame]:
        return self.open()


def whole_sources(frames: Iterator[pd.DataFrame], source: str) -> Iterator[pd.DataFrame]:
    """The same rows, cut so that rows of one source never fall into two frames.

    Args:
        frames: rows in which those of one source follow each other.
        source: column that names the source.
    """
    from mixpeek_dagster.rows.state import stack

    held: pd.DataFrame | None = None
    for frame in frames:
        joined = frame if held is None else stack([held, frame])
        if joined.empty:
            continue
        last = joined[source].iloc[-1]
        cut = int((joined[source] == last).to_numpy().argmax())
        if cut:
            yield joined.iloc[:cut].reset_index(drop=True)
        held = joined.iloc[cut:].reset_index(drop=True)
    if held is not None:
        yield held
