"""When a step is given up: trying each of thousands of rows would help nobody."""

from __future__ import annotations

import threading

from mixpeek_dagster.errors import ErrorCategory
from mixpeek_dagster.rows.failures import CHECK_SERVICE, failure
from mixpeek_dagster.rows.state import Outcome

_GIVE_UP_AFTER = 8


class StepHealth:
    """What the threads of a step know of its health together.

    Args:
        stage: the step.
        calls_at_a_time: how many calls may be under way; as many may fail at one hiccup of a service.
    """

    def __init__(self, stage: str, calls_at_a_time: int = 1) -> None:
        self._stage = stage
        self._most_spent = max(_GIVE_UP_AFTER, 2 * calls_at_a_time)
        self._lock = threading.Lock()
        self._succeeded = False
        self._streak: list[str] = []
        self._spent = 0
        self.broken: Outcome | None = None
        """What becomes of all rows from now on; none while the step goes on."""
        self.stopped = threading.Event()
        """Set when calls that wait need not wait any longer."""

    def succeeded(self) -> None:
        """A call gave rows."""
        with self._lock:
            self._succeeded = True
            self._spent = 0
            self._streak.clear()

    def row_failed(self, outcome: Outcome) -> None:
        """A row failed by itself; a step that fails on every row alike is broken."""
        with self._lock:
            self._streak.append(outcome.code)
            if not self._succeeded and len(self._streak) >= _GIVE_UP_AFTER and len(set(self._streak)) == 1:
                self._break(outcome)

    def call_spent(self, outcome: Outcome) -> None:
        """A call failed in all its tries, for a reason that may pass; if none gets through, the service is down."""
        with self._lock:
            self._spent += 1
            if self._spent >= (self._most_spent if self._succeeded else _GIVE_UP_AFTER):
                message = f"not tried: the last {self._spent} calls of {self._stage} failed, the last {outcome.message}"
                self._break(failure(self._stage, "service_unavailable", message, CHECK_SERVICE, ErrorCategory.NETWORK))

    def give_up(self, outcome: Outcome) -> None:
        """The step cannot run at all."""
        with self._lock:
            self._break(outcome)

    def _break(self, outcome: Outcome) -> None:
        if self.broken is None:
            self.broken = outcome
            self.stopped.set()
