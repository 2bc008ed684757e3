"""More work than can be done: when to come again."""

from __future__ import annotations

import math

_WEIGHT = 0.1


class Overloaded(Exception):
    """There is no room for a request now.

    Args:
        retry_after: seconds after which there is likely to be.
    """

    def __init__(self, retry_after: int) -> None:
        super().__init__(retry_after)
        self.retry_after = retry_after


class Pace:
    """How long a unit of work takes, lately."""

    def __init__(self) -> None:
        self._seconds = 0.0

    def count(self, units: float, seconds: float) -> None:
        """Tell of work that is done."""
        each = seconds / max(units, 1)
        self._seconds = each if not self._seconds else (1 - _WEIGHT) * self._seconds + _WEIGHT * each

    def seconds_for(self, units: float, lanes: int) -> int:
        """Whole seconds, at least one, that so many units take when so many lanes work on them."""
        return max(math.ceil(units * self._seconds / max(lanes, 1)), 1)
