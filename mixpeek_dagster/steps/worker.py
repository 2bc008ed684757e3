"""A processor in the hands of one thread, sync or async."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from mixpeek_dagster.plugins.pipeline import Step


class Worker:
    """A step's processor with an event loop of its own, which stays the same from call to call.

    Raises:
        Exception: whatever the processor's constructor raises.
    """

    def __init__(self, step: Step) -> None:
        self._processor = step.build()
        self._loop: asyncio.AbstractEventLoop | None = None

    def invoke(self, batch: pd.DataFrame) -> Any:
        """What the processor returns for a batch.

        Raises:
            RuntimeError: it called `exit()`.
            Exception: whatever it raises.
        """
        # What it said of a batch that broke holds no longer: its halves have other places.
        self.take_row_errors()
        try:
            result = self._processor(batch)
            return self._wait_for(result) if inspect.isawaitable(result) else result
        except SystemExit as error:
            raise RuntimeError(f"the processor called exit({error.code})") from error

    def take_counters(self) -> Counter[str]:
        """What the processor has counted since it was last asked: its attribute `counters`, which is emptied."""
        counted = getattr(self._processor, "counters", None)
        if not isinstance(counted, Counter):
            return Counter()
        taken = Counter(counted)
        counted.clear()
        return taken

    def take_row_errors(self) -> dict[int, Exception]:
        """Rows that the processor says have failed, by their place in the batch: its `row_errors`, which is emptied."""
        errors = getattr(self._processor, "row_errors", None)
        if not isinstance(errors, dict):
            return {}
        taken = dict(errors)
        errors.clear()
        return taken

    def close(self) -> None:
        """End the event loop."""
        if self._loop is not None:
            self._loop.close()

    def _wait_for(self, result: Awaitable[Any]) -> Any:
        async def wait() -> Any:
            return await result

        try:
            asyncio.get_running_loop()
        except RuntimeError:
            self._loop = self._loop or asyncio.new_event_loop()
            return self._loop.run_until_complete(wait())
        return _in_thread(lambda: asyncio.run(wait()))


@dataclass(frozen=True)
class _Box:
    value: list[Any]
    error: list[BaseException]


def _in_thread(work: Callable[[], Any]) -> Any:
    box = _Box([], [])

    def run() -> None:
        try:
            box.value.append(work())
        except BaseException as error:
            box.error.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if box.error:
        raise box.error[0]
    return box.value[0]
