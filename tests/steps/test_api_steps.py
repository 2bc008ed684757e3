"""Steps that call an API, against a real server: how many calls at a time, in which threads, in which order."""

from __future__ import annotations

import threading
from typing import Any

import httpx
import pandas as pd
import pytest

from mixpeek_dagster.rows import columns
from tests.api_server import Answer, Provider
from tests.steps.api_calls import Limit, Run, asking
from tests.steps.processors import states


def test_as_many_calls_at_a_time_as_allowed_and_never_more(call: Run, limit: Limit, provider: Provider) -> None:
    limit(default={"concurrency": 5})
    provider.together = 5
    frame, report = call(asking(provider), 40)
    assert provider.most_at_a_time == 5
    assert states(frame) == ["live"] * 40
    assert report.counters == {"api_calls": 40}


def test_results_are_in_order_and_each_row_is_sent_once(call: Run, provider: Provider) -> None:
    frame, _ = call(asking(provider), 60, chunk_rows=25, batch_size=32)
    assert frame["seen"].tolist() == [f"TEXT {i}" for i in range(60)]
    assert frame["data"].tolist() == [f"text {i}" for i in range(60)]
    assert set(provider.asked.values()) == {1}


def test_a_slow_row_does_not_hold_up_the_others(call: Run, limit: Limit, provider: Provider) -> None:
    limit(default={"concurrency": 2})
    others_done = threading.Event()

    def plan(row: str, number: int) -> Answer:
        if row == "text 0":
            others_done.wait(20)
        elif row == "text 3":
            others_done.set()
        return Answer()

    provider.plan = plan
    frame, _ = call(asking(provider), 6)
    assert others_done.is_set()
    assert provider.order.index("text 3") < 5
    assert frame["seen"].tolist() == [f"TEXT {i}" for i in range(6)]


def test_two_steps_of_a_provider_share_its_limit(call: Run, limit: Limit, provider: Provider) -> None:
    limit(google={"concurrency": 3})
    runs = [threading.Thread(target=call, args=(asking(provider, provider="google"), 20)) for _ in range(3)]
    for each in runs:
        each.start()
    for each in runs:
        each.join()
    assert sum(provider.asked.values()) == 60
    assert provider.most_at_a_time <= 3


@pytest.mark.parametrize("config", [{"provider": "google"}, type("Config", (), {"provider": "google"})()])
def test_the_config_names_the_provider(call: Run, limit: Limit, provider: Provider, config: Any) -> None:
    limit(google={"concurrency": 1}, default={"concurrency": 4}, openai={"concurrency": 3})

    class Configured(asking(provider, provider="openai")):  # type: ignore[misc]
        def __init__(self, config: Any) -> None:
            self.config = config

    call(Configured, 20, config=config)
    assert provider.most_at_a_time == 1


def test_each_thread_has_a_processor_of_its_own(call: Run, limit: Limit, provider: Provider) -> None:
    limit(default={"concurrency": 4})
    provider.together = 4
    used: dict[int, set[int]] = {}

    class Owned(asking(provider)):  # type: ignore[misc]
        def __call__(self, batch: pd.DataFrame) -> Any:
            used.setdefault(id(self), set()).add(threading.get_ident())
            return super().__call__(batch)

    call(Owned, 30)
    assert len(used) == 4
    assert all(len(threads) == 1 for threads in used.values())


def test_async_processors_keep_their_loop_and_client(call: Run, limit: Limit, provider: Provider) -> None:
    limit(default={"concurrency": 3})
    provider.together = 3
    loops: set[int] = set()

    class Async:
        def __init__(self) -> None:
            self.client = httpx.AsyncClient()

        async def __call__(self, batch: pd.DataFrame) -> pd.DataFrame:
            import asyncio

            loops.add(id(asyncio.get_running_loop()))
            answers = [await self.client.post(provider.url, content=text) for text in batch["data"]]
            return batch.assign(seen=[answer.text for answer in answers])

    frame, _ = call(Async, 12)
    assert len(loops) == 3
    assert frame["seen"].tolist() == [f"TEXT {i}" for i in range(12)]


def test_an_instance_is_called_by_one_thread_unless_it_takes_more(call: Run, provider: Provider) -> None:
    call(asking(provider)(), 10)
    assert provider.most_at_a_time == 1
    provider.together = 3
    frame, _ = call(asking(provider, concurrency=3)(), 10)
    assert provider.most_at_a_time == 3
    assert states(frame) == ["live"] * 10


def test_a_constructor_that_fails_is_tried_once(call: Run) -> None:
    made: list[int] = []

    class Broken:
        def __init__(self) -> None:
            made.append(1)
            raise RuntimeError("no key")

        def __call__(self, batch: pd.DataFrame) -> pd.DataFrame:
            return batch

    frame, _ = call(Broken, 50)
    assert len(made) == 1
    assert set(frame[columns.CODE]) == {"constructor_failed"}


def test_a_class_says_how_many_rows_it_wants(call: Run, provider: Provider) -> None:
    sizes: list[int] = []

    class Many(asking(provider)):  # type: ignore[misc]
        batch_rows = 4

        def __call__(self, batch: pd.DataFrame) -> Any:
            sizes.append(len(batch))
            return super().__call__(batch)

    call(Many, 10)
    assert sorted(sizes) == [2, 4, 4]
