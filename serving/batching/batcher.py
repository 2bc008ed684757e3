"""The continuous batcher: lanes that take packs as soon as they are free.

Nothing waits for a batch to fill, and no lane waits for another: a core that is free takes what has waited longest and
what suits it. Under load packs are full; without load an input has a pack, and all cores, for itself.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from typing import Any, Protocol

import numpy as np

from mixpeek_dagster.inference.devices import Device
from mixpeek_dagster.inference.packing import Rows, in_halves
from serving.batching.job import Job
from serving.batching.packing import Item, choose
from serving.batching.width import Width
from serving.endpoints.overload import Overloaded, Pace

Compute = Callable[[Hashable, Sequence[Any]], Sequence[Any]]
_log = logging.getLogger(__name__)


class DoesNotFit(Exception):
    """Memory does not do for an input, even alone."""


class Observer(Protocol):
    """What is told of each pack."""

    def packed(self, items: int, tokens: int, waits: Sequence[float]) -> None:
        """A pack is about to be computed.

        Args:
            items: inputs in it.
            tokens: of it, padding included.
            waits: seconds that each input has waited.
        """


class Batcher:
    """Packs the inputs of many requests.

    Args:
        compute: from a group and the payloads of a pack to an answer for each; called by the lanes' threads.
        budget: most tokens of a pack, padding included.
        capacity: inputs that may wait.
        device: where `compute` computes.
        lanes: packs that are computed at a time.
        threads: cores; a pack that is alone may use all of them, any other uses one.
        set_threads: tells torch how many cores the calling thread may use.
        observer: is told of each pack.
        clock: in seconds.
    """

    def __init__(
        self,
        compute: Compute,
        *,
        budget: int,
        capacity: int,
        device: Device,
        lanes: int = 1,
        threads: int = 1,
        set_threads: Callable[[int], None] = lambda _: None,
        observer: Observer | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._compute = compute
        self._budget = budget
        self._capacity = capacity
        self._device = device
        self._width = Width(threads)
        self._set_threads = set_threads
        self._observer = observer
        self._clock = clock
        self._changed = threading.Condition()
        self._waiting: list[Item] = []
        self._preparing = 0
        self._idle = 0
        self._closed = False
        self._pace = Pace()
        self._loop: asyncio.AbstractEventLoop
        self._lanes = [threading.Thread(target=self._lane, name=f"lane-{n}", daemon=True) for n in range(lanes)]
        for lane in self._lanes:
            lane.start()

    @property
    def queued(self) -> int:
        """Inputs that wait, or are prepared."""
        return len(self._waiting) + self._preparing

    def admit(self, inputs: int, seconds: float) -> Job:
        """Places for a request's inputs; in the event loop.

        Args:
            inputs: how many.
            seconds: after which nobody waits for their answers any more.

        Raises:
            Overloaded: there is no room.
        """
        with self._changed:
            if self.queued + inputs > self._capacity and self.queued:
                raise Overloaded(self._pace.seconds_for(sum(item.size for item in self._waiting), len(self._lanes)))
            self._preparing += inputs
        self._loop = asyncio.get_running_loop()
        return Job(self, inputs, self._clock() + seconds)

    def queue(self, job: Job, items: Sequence[Item]) -> None:
        """Put a request's inputs into the places that it has."""
        now = self._clock()
        with self._changed:
            self._preparing -= job.unqueued
            job.unqueued, job.queued_at = 0, now
            self._waiting.extend(items)
            self._changed.notify(len(items))

    def leave(self, job: Job) -> None:
        """Give up a request's places, and what waits in them."""
        with self._changed:
            self._preparing -= job.unqueued
            job.unqueued = 0
            if any(item.job is job for item in self._waiting):
                self._waiting = [item for item in self._waiting if item.job is not job]

    def close(self) -> None:
        """End the lanes; what waits is not computed any more."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()
        for lane in self._lanes:
            lane.join()

    def _lane(self) -> None:
        self._set_threads(1)
        while (taken := self._next_pack()) is not None:
            pack, alone = taken
            try:
                self._work(pack, alone)
            except Exception as error:
                # Whatever it was: a lane that ended would be missed by nobody, and waited for by all.
                _log.exception("a pack could not be computed")
                self._send_answers([(item, error) for item in pack])

    def _work(self, pack: list[Item], alone: bool) -> None:
        tokens = _tokens(pack)
        threads = self._width.choose(tokens) if alone else 1
        started = self._clock()
        if self._observer is not None:
            self._observer.packed(len(pack), tokens, [started - item.job.queued_at for item in pack])
        self._set_threads(threads)
        try:
            self._send_answers(self._answers(pack))
        finally:
            self._set_threads(1)
        seconds = self._clock() - started
        self._pace.count(tokens, seconds)
        if alone:
            self._width.count(tokens, threads, seconds)

    def _next_pack(self) -> tuple[list[Item], bool] | None:
        """The next pack, and whether there is no other; None = the end."""
        with self._changed:
            self._idle += 1
            while not self._closed:
                self._drop_late()
                if self._waiting:
                    pack = choose(self._waiting, self._budget, self._idle)
                    taken = set(map(id, pack))
                    self._waiting = [item for item in self._waiting if id(item) not in taken]
                    alone = self._idle == len(self._lanes) and not self._waiting
                    self._idle -= 1
                    return pack, alone
                self._changed.wait()
            return None

    def _drop_late(self) -> None:
        now = self._clock()
        late = [item for item in self._waiting if item.job.deadline <= now]
        if late:
            self._waiting = [item for item in self._waiting if item.job.deadline > now]
            self._send_answers([(item, TimeoutError()) for item in late])

    def _answers(self, pack: list[Item]) -> list[tuple[Item, Any]]:
        """An answer, or the error, of each item."""
        try:
            parts = list(in_halves(lambda rows: self._run(pack, rows), np.arange(len(pack)), self._device))
        except Exception as error:
            if len(pack) > 1:
                # One input may be what it was: it shall not take those beside it down.
                return [found for item in pack for found in self._answers([item])]
            _log.exception("the model raised")
            return [(pack[0], error)]
        return [
            (pack[row], DoesNotFit() if answers is None else answers[place])
            for rows, answers in parts
            for place, row in enumerate(rows.tolist())
        ]

    def _run(self, pack: Sequence[Item], rows: Rows) -> Sequence[Any]:
        items = [pack[row] for row in rows]
        answers = self._compute(items[0].group, [item.payload for item in items])
        if len(answers) != len(items):
            raise ValueError(f"{len(answers)} answers to {len(items)} inputs")
        return answers

    def _send_answers(self, answers: Sequence[tuple[Item, Any]]) -> None:
        # The loop is closed when the server stops.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(_deliver, answers)


def _deliver(answers: Sequence[tuple[Item, Any]]) -> None:
    for item, answer in answers:
        if item.job.over:
            continue
        if isinstance(answer, BaseException):
            item.job.fail(answer)
        else:
            item.job.answer(item.place, answer)


def _tokens(pack: Sequence[Item]) -> int:
    return max(item.size for item in pack) * len(pack)
