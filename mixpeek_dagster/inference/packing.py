"""Sequences of mixed length, sorted and packed to a number of tokens: hardly anything is computed on padding."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from mixpeek_dagster.errors import OutOfMemory
from mixpeek_dagster.inference.devices import Device, is_out_of_memory, release

Rows = npt.NDArray[np.int64]
Result = TypeVar("Result")


def pack_by_length(lengths: Sequence[int], budget: int) -> list[Rows]:
    """Which sequences go through the model together: those of like length, longest first.

    Args:
        lengths: tokens of each sequence.
        budget: most tokens of a pack, padding included; a longer sequence has a pack of its own.

    Returns:
        Positions in `lengths`; each is in exactly one pack.
    """
    order = np.argsort(np.asarray(lengths, dtype=np.int64), kind="stable")[::-1]
    packs, start = [], 0
    while start < len(order):
        longest = max(int(lengths[order[start]]), 1)
        rows = max(budget // longest, 1)
        packs.append(order[start : start + rows])
        start += rows
    return packs


def in_halves(work: Callable[[Rows], Result], rows: Rows, device: Device) -> Iterator[tuple[Rows, Result | None]]:
    """What `work` gives for the rows; where memory does not do, for their halves, and so on.

    Yields:
        Rows and their result: None for a single row that memory does not do for, so that those beside it are computed.

    Raises:
        Exception: what `work` raises, other than that memory does not do.
    """
    try:
        result = work(rows)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
    else:
        yield rows, result
        return
    # Outside of the handler: the traceback there holds the tensors that did not fit.
    release(device)
    if len(rows) == 1:
        yield rows, None
        return
    middle = len(rows) // 2
    for half in (rows[:middle], rows[middle:]):
        yield from in_halves(work, half, device)


def does_not_fit(what: str, size: str) -> OutOfMemory:
    """The error of an input that memory does not do for, even alone.

    Args:
        what: the input, such as `the text`.
        size: how large it is, such as `8,192 tokens`.
    """
    why = f"it has {size}, and memory does not do for it, even alone"
    return OutOfMemory(what, why=why, fix="Make it smaller, or give the machine more memory")
