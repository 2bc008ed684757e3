"""Work in another event loop, whose real end is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class LoopCall(Generic[T]):
    """A coroutine that runs in another thread's loop.

    Who gives up waiting for it has it cancelled there, but it need not stop at once: `ended` is called, here, when it
    has.

    Args:
        loop: where it runs.
        work: the coroutine.
        ended: is told of its end.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T], ended: Callable[[], None]
    ) -> None:
        self._there = loop
        self._here = asyncio.get_running_loop()
        self._work = work
        self._ended = ended
        self._result: asyncio.Future[T] = self._here.create_future()
        self._task: asyncio.Task[T]
        loop.call_soon_threadsafe(self._start)

    async def result(self) -> T:
        """What it gives.

        Raises:
            BaseException: what it raises.
        """
        try:
            return await self._result
        except asyncio.CancelledError:
            # It may not have started yet: then this follows its start.
            self._there.call_soon_threadsafe(self._cancel)
            raise

    def _start(self) -> None:
        self._task = self._there.create_task(self._work)
        self._task.add_done_callback(self._tell)

    def _cancel(self) -> None:
        self._task.cancel()

    def _tell(self, task: asyncio.Task[T]) -> None:
        # This loop is closed when the server stops.
        with suppress(RuntimeError):
            self._here.call_soon_threadsafe(self._finish, task)

    def _finish(self, task: asyncio.Task[T]) -> None:
        self._ended()
        if self._result.done():
            # Nobody waits; without a look at it, asyncio would complain about the error.
            task.cancelled() or task.exception()
        elif task.cancelled():
            self._result.cancel()
        elif (error := task.exception()) is not None:
            self._result.set_exception(error)
        else:
            self._result.set_result(task.result())
