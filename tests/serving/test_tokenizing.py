"""Which texts are tokenised in the event loop, and that no two are at a time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

from mixpeek_dagster.inference.realtime import Tokenizing


def test_short_texts_are_tokenised_at_once_unless_a_long_one_is() -> None:
    free, busy = threading.Event(), threading.Lock()
    threads: list[str] = []

    def work(texts: Sequence[str]) -> int:
        assert busy.acquire(blocking=False), "two at a time"
        threads.append(threading.current_thread().name)
        if len(texts[0]) > 10:
            assert free.wait(20)
        busy.release()
        return len(texts)

    async def run() -> list[int]:
        tokenizing = Tokenizing()
        first = await tokenizing.run(work, ["short"])
        long = asyncio.create_task(tokenizing.run(work, ["long " * 2000]))
        await asyncio.sleep(0)
        meanwhile = asyncio.create_task(tokenizing.run(work, ["short"]))
        await asyncio.sleep(0)
        free.set()
        found = [first, await long, await meanwhile]
        return [*found, await tokenizing.run(work, ["short"])]

    assert asyncio.run(run()) == [1, 1, 1, 1]
    main, *in_thread, last = threads
    assert main == last == threading.current_thread().name
    assert all(name.startswith("tokenize") for name in in_thread)
