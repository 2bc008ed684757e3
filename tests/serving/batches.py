"""A batcher whose model is a gate: a test decides when a pack is done, so nothing sleeps."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from mixpeek_dagster.inference.devices import Device
from serving.batching.batcher import Batcher

CPU = Device("cpu", "float32")


class Gate:
    """Computes when it is let to, and remembers each pack.

    Args:
        compute: what it gives for a pack; by default each payload twice.
    """

    def __init__(self, compute: Callable[[Sequence[Any]], Sequence[Any]] | None = None) -> None:
        self.packs: list[list[Any]] = []
        self.groups: list[Hashable] = []
        self.entered = threading.Semaphore(0)
        self._free = threading.Semaphore(0)
        self._compute = compute or (lambda payloads: [payload * 2 for payload in payloads])

    def __call__(self, group: Hashable, payloads: Sequence[Any]) -> Sequence[Any]:
        self.packs.append(list(payloads))
        self.groups.append(group)
        self.entered.release()
        assert self._free.acquire(timeout=20)
        return self._compute(payloads)

    def let(self, packs: int) -> None:
        """Let so many packs through."""
        self._free.release(packs)

    async def holds(self) -> None:
        """Wait until a pack stands at the gate."""
        assert await asyncio.to_thread(self.entered.acquire, timeout=20)


class Clock:
    """Shows what it is set to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def batcher(gate: Gate, **options: Any) -> Batcher:
    """A batcher with one lane in front of a gate."""
    return Batcher(gate, **{"budget": 100, "capacity": 8, "device": CPU, **options})


async def ask(batcher: Batcher, *payloads: int, sizes: Sequence[int] = (), seconds: float = 60, group: str = "") -> Any:
    """A request with these payloads; each has size 10 unless another is given."""
    with batcher.admit(len(payloads), seconds) as job:
        return await job.compute(payloads, sizes or [10] * len(payloads), group)


async def settle() -> None:
    """Let tasks that were just made run until they wait."""
    for _ in range(3):
        await asyncio.sleep(0)
