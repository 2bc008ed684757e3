"""How many calls run at a time; the others wait in line, if it is not too long."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

from serving.endpoints.overload import Overloaded, Pace


class Slots:
    """Turns of calls, first come first served. All is done in one event loop.

    Until the first call has succeeded there is one at a time: it loads the model in most plugins, and two would load it
    twice.

    Args:
        most: calls at a time.
        line: calls that may wait.
        clock: in seconds.
    """

    def __init__(self, most: int, line: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.taken = 0
        self._most = most
        self._line = line
        self._clock = clock
        self._warm = False
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._pace = Pace()

    @property
    def waiting(self) -> int:
        """Calls in the line."""
        return len(self._waiting)

    async def acquire(self) -> CallSlot:
        """A slot, when it is this call's turn.

        Raises:
            Overloaded: the line is too long.
        """
        if self.taken < self._open and not self._waiting:
            self.taken += 1
            return CallSlot(self, self._clock())
        if len(self._waiting) >= self._line:
            raise Overloaded(self._pace.seconds_for(len(self._waiting), self._open))
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._waiting.remove(turn)
            else:
                # Its turn had come just before.
                self._give_back()
            raise
        return CallSlot(self, self._clock())

    @property
    def _open(self) -> int:
        return self._most if self._warm else 1

    def end(self, started: float) -> None:
        """A call that began at `started` is over."""
        self._pace.count(1, self._clock() - started)
        self._give_back()

    def warm(self) -> bool:
        """A call has succeeded; gives whether it was the first."""
        first, self._warm = not self._warm, True
        self._call_up()
        return first

    def _give_back(self) -> None:
        self.taken -= 1
        self._call_up()

    def _call_up(self) -> None:
        while self._waiting and self.taken < self._open:
            turn = self._waiting.popleft()
            if not turn.done():
                self.taken += 1
                turn.set_result(None)


class CallSlot:
    """The right to one call, taken until `end`."""

    def __init__(self, slots: Slots, started: float) -> None:
        self._slots = slots
        self._started = started

    def end(self) -> None:
        """Give it to the next in line."""
        self._slots.end(self._started)
