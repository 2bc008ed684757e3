"""Leases: a process that holds one keeps the stores of a home alive, and its death gives the lease back."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from typing import IO

from mixpeek_dagster.embedded.layout import Layout
from mixpeek_dagster.errors import StoreUnavailable
from mixpeek_dagster.processes.locks import wait_lock


@dataclass
class _Held:
    file: IO[str]
    count: int


_held: dict[str, _Held] = {}
_guard = threading.Lock()


def acquire(layout: Layout, deadline: float) -> None:
    """Take a lease, or one share more of the lease that this process holds.

    Waits while a supervisor that found itself deserted stops its stores.

    Raises:
        StoreUnavailable: `time.monotonic()` passed `deadline`.
    """
    key = str(layout.home)
    with _guard:
        if key in _held:
            _held[key].count += 1
            return
        file = wait_lock(layout.lease, deadline, shared=True)
        if file is None:
            raise StoreUnavailable(
                f"home {layout.home}",
                why="its stores are being stopped, and have not come to an end",
                fix=f"See {layout.log('supervisor')}, then try again",
            )
        _held[key] = _Held(file, 1)


def release(layout: Layout) -> None:
    """Give one share back; the last one ends the lease."""
    key = str(layout.home)
    with _guard:
        held = _held.get(key)
        if held is None:
            return
        held.count -= 1
        if held.count == 0:
            # Closing, not unlocking: a forked child that shares the open file keeps its lease.
            _held.pop(key).file.close()


def _forget_guard() -> None:
    global _guard  # noqa: PLW0603 - the parent's lock may have been held by a thread that the child lacks
    _guard = threading.Lock()


os.register_at_fork(after_in_child=_forget_guard)
