"""Work in threads whose results come in order, few of them held at a time."""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_in_threads(
    pool: ThreadPoolExecutor, call: Callable[[Item], Result], items: Iterable[Item], most: int
) -> Iterator[Result]:
    """The result for each item, in order, as soon as it is there.

    Args:
        pool: its threads see the context variables of this one.
        call: what to call; what it raises is raised here, at its place.
        items: at most `most` are taken whose results are not yet given.
        most: more than the pool has threads, so that one slow call does not hold up the others.
    """

    def submit(item: Item) -> Future[Result]:
        return pool.submit(contextvars.copy_context().run, call, item)

    for future in _in_order(submit, items, most, eager=True):
        yield future.result()


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
    pool = ThreadPoolExecutor(threads, thread_name_prefix="read")
    try:
        yield from _in_order(lambda item: pool.submit(read, item), items, most, eager=False)
    finally:
        pool.shutdown(cancel_futures=True)


def _in_order(
    submit: Callable[[Item], Future[Result]], items: Iterable[Item], most: int, *, eager: bool
) -> Iterator[Future[Result]]:
    """Futures in the order of their items.

    Args:
        eager: whether each is given when it is done; else as many as may be are under way before the first is given.
    """
    pending: deque[Future[Result]] = deque()
    for item in items:
        pending.append(submit(item))
        while pending and (len(pending) >= most or (eager and pending[0].done())):
            yield pending.popleft()
    while pending:
        yield pending.popleft()


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
