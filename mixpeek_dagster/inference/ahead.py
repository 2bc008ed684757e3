"""Files fetched and decoded in threads while a model works on those before them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def read_ahead(
    read: Callable[[Item], Result], items: Iterable[Item], *, threads: int, most: int
) -> Iterator[Future[Result]]:
    """What `read` gives for each item, in order, read by threads before it is asked for.

    Args:
        read: fetches and decodes an item.
        items: what is to be read.
        threads: how many items are read at a time.
        most: how many items, read or being read, are ahead of the caller.

    Yields:
        Futures, so that an item that cannot be read raises where the caller takes its result, and no other does.
    """
    waiting: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="read")
    try:
        for item in items:
            waiting.append(pool.submit(read, item))
            if len(waiting) >= most:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()
    finally:
        pool.shutdown(cancel_futures=True)


class Gate(AbstractContextManager["Gate"]):
    """Lets so many items be under way between two threads, of which one gives them and others finish them.

    Args:
        most: items that were let through and are not finished.
    """

    def __init__(self, most: int) -> None:
        self._free = threading.Semaphore(most)

    def through(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items, each only when there is room."""
        for item in items:
            self._free.acquire()
            yield item

    def __exit__(self, *_: object) -> None:
        """Finish an item: one that leaves the block, however it ends."""
        self._free.release()
