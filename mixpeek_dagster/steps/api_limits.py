"""How fast a provider's API is called: one gate per provider, shared by all steps and threads of a process.

The rate is kept in a file of the home folder, so that the processes of one machine share it, too.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from mixpeek_dagster.settings import ProviderLimits, Settings

_LOOK_AGAIN = 0.5
# Longer than another process has the file for; within it, a permit that is about to come is waited for.
_LOCK_PATIENCE = 0.12
_MINUTE = 60


class CallStopped(Exception):
    """The call was waiting for its turn when its step was given up."""


class Permits(Protocol):
    """Calls that a provider allows in a span of time."""

    def try_acquire(self) -> float:
        """Take one if there is one now: 0; else the seconds after which to ask again."""


class ProviderGate:
    """Lets calls of one provider through, as many at a time and as many in a span of time as it allows.

    Args:
        limits: of the provider.
        permits: where permits come from; none if the provider's rate is not limited.
    """

    def __init__(self, limits: ProviderLimits, permits: Permits | None) -> None:
        self._slots = threading.BoundedSemaphore(limits.concurrency)
        self._permits = permits
        self._longest_pause = limits.longest_wait
        self._closed_until = 0.0

    def pause(self, seconds: float) -> None:
        """Let nothing through for so long: the provider has asked for it."""
        seconds = min(seconds, self._longest_pause)
        self._closed_until = max(self._closed_until, time.monotonic() + seconds)

    @contextmanager
    def passage(self, stopped: threading.Event) -> Iterator[float]:
        """Wait for one's turn; gives the seconds that this took. The turn lasts until the end of the block.

        Raises:
            CallStopped: `stopped` was set meanwhile.
        """
        started = time.monotonic()
        while not self._slots.acquire(timeout=_LOOK_AGAIN):
            _unless(stopped)
        try:
            self._wait(stopped)
            yield time.monotonic() - started
        finally:
            self._slots.release()

    def _wait(self, stopped: threading.Event) -> None:
        while True:
            _unless(stopped)
            seconds = self._closed_until - time.monotonic()
            if seconds <= 0:
                seconds = self._permits.try_acquire() if self._permits is not None else 0.0
            if seconds <= 0:
                return
            stopped.wait(seconds)


class SharedPermits:
    """Permits that all processes of a machine take from one file.

    In no span of a second or minute are more given than the limits say.

    Args:
        limits: with a rate.
        file: a SQLite file, made when it is missing; a lock file beside it keeps the processes apart.
    """

    def __init__(self, limits: ProviderLimits, file: Path) -> None:
        from pyrate_limiter import Limiter, Rate, SQLiteBucket

        file.parent.mkdir(parents=True, exist_ok=True)
        rates = [Rate(count, 1000 * seconds) for count, seconds in _rates(limits)]
        self._limiter: Any = Limiter(SQLiteBucket.init_from_file(rates, db_path=str(file), use_file_lock=True))
        # How long it takes for permits to come back, one by one.
        self._spacing = min(_LOOK_AGAIN, max(seconds / count for count, seconds in _rates(limits)))
        self._lock = threading.Lock()

    def try_acquire(self) -> float:
        """Take a permit if there is one now: 0; else the seconds after which to ask again."""
        with self._lock:
            if self._limiter.try_acquire(timeout=_LOCK_PATIENCE):
                return 0.0
        return self._spacing * random.uniform(0.5, 1.5)


def _rates(limits: ProviderLimits) -> list[tuple[int, int]]:
    """Limits that bind, as (calls, seconds)."""
    second, minute = limits.per_second, limits.per_minute
    rates = []
    if second is not None and (minute is None or second < minute):
        rates.append((second, 1))
    if minute is not None and (second is None or minute < _MINUTE * second):
        rates.append((minute, _MINUTE))
    return rates


def _unless(stopped: threading.Event) -> None:
    if stopped.is_set():
        raise CallStopped


_gates: dict[tuple[str, ProviderLimits, Path], ProviderGate] = {}
_gates_lock = threading.Lock()
# Neither locks nor SQLite connections may be used on both sides of a fork.
os.register_at_fork(after_in_child=_gates.clear)


def gate_of(provider: str, settings: Settings) -> ProviderGate:
    """The provider's gate, the same for all who ask in this process."""
    limits = settings.limits_of(provider)
    key = (provider, limits, settings.home_path)
    with _gates_lock:
        if key not in _gates:
            file = settings.home_path / "run" / f"api-{quote(provider, safe='')}.sqlite"
            _gates[key] = ProviderGate(limits, SharedPermits(limits, file) if _rates(limits) else None)
        return _gates[key]
