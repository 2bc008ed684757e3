"""When a process that ended is started again, and when it is given up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Restarts:
    """Counts the deaths of one process: the first is made good at once, later ones after longer and longer waits.

    Args:
        most: the death with this number is the last.
        steady_seconds: after so long without a fault, earlier deaths are forgotten; none = never.
        first_wait: seconds before the second restart; each further one takes twice as long.
        longest_wait: seconds that a wait is no longer than.

    Attributes:
        deaths: those that count.
    """

    most: int
    steady_seconds: float | None = None
    first_wait: float = 0.0
    longest_wait: float = 0.0
    deaths: int = 0

    def died(self, now: float, since: float | None = None) -> float | None:
        """Count a death.

        Args:
            now: `time.monotonic()`.
            since: when it last began to be without a fault; none = it was not.

        Returns:
            Seconds to wait before it is started again; None: it is given up.
        """
        if since is not None and self.steady_seconds is not None and now - since >= self.steady_seconds:
            self.deaths = 0
        self.deaths += 1
        if self.deaths >= self.most:
            return None
        return 0.0 if self.deaths == 1 else min(self.first_wait * 2 ** (self.deaths - 2), self.longest_wait)

    def forget(self) -> None:
        """Begin anew: what ended before does not count."""
        self.deaths = 0
