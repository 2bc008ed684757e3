"""Rows with a value that cannot be written: they fail, the others go on."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from mixpeek_dagster.rows import columns
from mixpeek_dagster.rows.codec import Codec, cell_encoder
from mixpeek_dagster.rows.failures import failure
from mixpeek_dagster.rows.state import Outcome, live, stop_each

_OURS = frozenset([*columns.PROTECTED, *columns.BOOKKEEPING])
_CANNOT = {
    Codec.JSON: "cannot be a field of a document",
    Codec.PICKLE: "cannot be handed to the next step",
}


def fail_unwritable(frame: pd.DataFrame, vectors: frozenset[str], codec: Codec, stage: str) -> pd.DataFrame:
    """Fail live rows that hold a value which cannot be written, and empty the cells that nobody will read.

    Args:
        frame: rows.
        vectors: columns of checked vectors, which are written as they are on rows that go on.
        codec: how structured values are to be written.
        stage: the op that writes.
    """
    own = [name for name in frame.columns if name not in _OURS]
    bad: dict[int, Outcome] = {}
    cells: dict[str, list[int]] = {}
    for name in own:
        if name in vectors or not _may_hold_anything(frame[name]):
            continue
        cells[name] = [at for at, value in enumerate(frame[name].tolist()) if not _writable(value, codec)]
        for at in cells[name]:
            bad.setdefault(at, _unwritable(name, frame[name].iloc[at], codec, stage))
    going = live(frame)
    positions = [at for at in bad if going[at]]
    frame = stop_each(frame, positions, [bad[at] for at in positions])
    for name, empty in cells.items():
        frame = _empty(frame, name, empty)
    stopped = np.flatnonzero(~live(frame)).tolist()
    for name in vectors.intersection(own):
        frame = _empty(frame, name, stopped)
    return frame


def _may_hold_anything(column: pd.Series[Any]) -> bool:
    return column.dtype == object or isinstance(column.dtype, pd.StringDtype)


def _writable(value: Any, codec: Codec) -> bool:
    encode: Callable[[Any], Any] = str.encode if isinstance(value, str) else cell_encoder(codec)
    try:
        encode(value)
    except (TypeError, ValueError, AttributeError, RecursionError, pickle.PicklingError):
        return False
    return True


def _empty(frame: pd.DataFrame, name: str, positions: list[int]) -> pd.DataFrame:
    if not positions:
        return frame
    cells = frame[name].astype(object).to_numpy(copy=True)
    cells[positions] = None
    return frame.assign(**{name: pd.Series(cells, index=frame.index, dtype=object)})


def _unwritable(name: str, value: object, codec: Codec, stage: str) -> Outcome:
    kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    message = f"column {name!r} holds a {kind}, which {_CANNOT[codec]}"
    fix = f"Drop {name!r}, or make numbers, texts, lists or dicts of it"
    return failure(stage, "unwritable_value", message, fix)
