"""Which of the waiting inputs go through the model together."""

from __future__ import annotations

import heapq
import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from serving.batching.job import Job

_WASTE = 0.1
"""Share of a pack that may be padding."""
_FREE = 32
"""So much padding costs less than another run of the model."""


@dataclass(eq=False, slots=True)
class Item:
    """One input of a request.

    Args:
        payload: what the model takes.
        size: tokens, or what else a pack is measured in.
        group: only inputs of the same group go together.
        job: the request.
        place: position among the request's inputs.
    """

    payload: Any
    size: int
    group: Hashable
    job: Job
    place: int


def choose(waiting: Sequence[Item], budget: int, idle: int) -> list[Item]:
    """The next pack: what has waited longest, and with it what is nearest in size.

    Args:
        waiting: in order of arrival, at least one.
        budget: most tokens of a pack, padding included; a larger input has a pack of its own.
        idle: lanes that have nothing to do, the one that asks included. They share what is there, so that a few inputs
            are computed side by side.
    """
    first = waiting[0]
    alike = [item for item in waiting if item.group == first.group]
    share = math.ceil(sum(item.size for item in alike) / idle) if idle > 1 else budget
    most = min(budget, share)
    nearest = heapq.nsmallest(max(budget, 1), alike[1:], key=lambda item: abs(item.size - first.size))
    pack, longest, total = [first], first.size, first.size
    for item in nearest:
        if longest * (len(pack) + 1) > most:
            break
        tallest = max(longest, item.size)
        padded = tallest * (len(pack) + 1)
        if padded <= most and padded - total - item.size <= max(_WASTE * padded, _FREE):
            pack.append(item)
            longest, total = tallest, total + item.size
    return pack
