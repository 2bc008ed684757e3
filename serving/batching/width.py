"""By how many cores a pack is computed that has the machine for itself."""

from __future__ import annotations

from collections import defaultdict

_TRIES = 3
"""So often both are measured before one is preferred."""
_AGAIN = 32
"""Every so many packs the other one is measured again: the machine may be busier or idler than it was."""
_WEIGHT = 0.2


class Width:
    """One core or all, whichever was faster lately for packs of like size.

    All cores wait for each other after every operation: short texts are done sooner by one, and so are all while other
    programs keep a core busy. So it is measured rather than known.

    Args:
        threads: cores; 1 = there is nothing to choose.
    """

    def __init__(self, threads: int) -> None:
        self._choices = (1, threads)
        self._seconds: dict[tuple[int, int], float] = {}
        self._counts: defaultdict[int, int] = defaultdict(int)

    def choose(self, tokens: int) -> int:
        """Cores for a pack of so many tokens."""
        one, all_ = self._choices
        if one == all_:
            return one
        size = tokens.bit_length()
        count = self._counts[size]
        self._counts[size] += 1
        if count < 2 * _TRIES:
            return self._choices[count % 2]
        faster = min(self._choices, key=lambda threads: self._seconds.get((size, threads), 0.0))
        return one + all_ - faster if count % _AGAIN == 0 else faster

    def count(self, tokens: int, threads: int, seconds: float) -> None:
        """Tell how long a pack took."""
        key, each = (tokens.bit_length(), threads), seconds / tokens
        before = self._seconds.get(key, each)
        self._seconds[key] = (1 - _WEIGHT) * before + _WEIGHT * each
