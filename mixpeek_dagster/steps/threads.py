"""Calls in threads whose results come in order, few of them held at a time."""

from __future__ import annotations

import contextvars
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_in_threads(
    pool: ThreadPoolExecutor, call: Callable[[Item], Result], items: Iterable[Item], most: int
) -> Iterator[Result]:
    """The result for each item, in order; at most so many items are taken whose results are not yet given.

    Args:
        pool: its threads see the context variables of this one.
        call: what to call; what it raises is raised here, at its place.
        items: taken only as fast as results are.
        most: more than the pool has threads, so that one slow call does not hold up the others.
    """
    pending: deque[Future[Result]] = deque()
    for item in items:
        pending.append(pool.submit(contextvars.copy_context().run, call, item))
        while pending and (len(pending) >= most or pending[0].done()):
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()
