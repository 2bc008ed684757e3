"""Calls of an API that fail: which are tried again, how often, and what a provider that is down costs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pandas as pd
import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mixpeek_dagster.errors import StoreUnavailable
from mixpeek_dagster.plugins.pipeline import ResourceType
from mixpeek_dagster.rows import columns
from tests.api_server import Answer, Provider
from tests.steps.api_calls import Limit, Run, asking
from tests.steps.processors import states


def failing(times: int, answer: Answer) -> Callable[[str, int], Answer]:
    return lambda row, number: answer if number <= times else Answer()


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 529, 0])
def test_what_may_pass_is_tried_again(call: Run, provider: Provider, status: int) -> None:
    provider.plan = failing(2, Answer(status))
    frame, report = call(asking(provider), 3)
    assert frame["seen"].tolist() == ["TEXT 0", "TEXT 1", "TEXT 2"]
    assert set(provider.asked.values()) == {3}
    assert report.counters["api_calls"] == 9
    assert report.counters["api_retries"] == 6


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_what_will_not_pass_is_sent_once(call: Run, provider: Provider, status: int) -> None:
    provider.plan = lambda row, number: Answer(status) if row == "text 1" else Answer()
    frame, report = call(asking(provider), 3)
    assert states(frame) == ["live", "failed", "live"]
    assert set(provider.asked.values()) == {1}
    assert "api_retries" not in report.counters
    assert "tries" not in frame[columns.MESSAGE][1]


def test_rows_whose_tries_are_spent_say_so_and_cost_no_others(call: Run, limit: Limit, provider: Provider) -> None:
    limit(default={"tries": 3})
    provider.plan = lambda row, number: Answer(500) if row == "text 1" else Answer()
    frame, report = call(asking(provider), 4)
    assert states(frame) == ["live", "failed", "live", "live"]
    assert dict(provider.asked) == {"text 0": 1, "text 1": 3, "text 2": 1, "text 3": 1}
    assert frame[columns.MESSAGE][1].startswith("after 3 tries: HTTPStatusError: Server error '500")
    assert frame[columns.CATEGORY][1] == "network"
    assert "only failed rows are redone" in frame[columns.SUGGESTION][1]
    assert report.counters["api_retries"] == 2


def test_too_many_requests_name_the_setting(call: Run, limit: Limit, provider: Provider) -> None:
    limit(google={"tries": 2})
    provider.plan = lambda row, number: Answer(429) if row == "text 1" else Answer()
    frame, _ = call(asking(provider, provider="google"), 3)
    assert frame[columns.CATEGORY][1] == "network"
    assert "'google' in MIXPEEK_API_LIMITS" in frame[columns.SUGGESTION][1]


def test_a_connection_that_is_refused_is_tried_again(call: Run, limit: Limit, provider: Provider) -> None:
    limit(default={"tries": 2})
    seen: list[str] = []

    def refused(batch: pd.DataFrame) -> pd.DataFrame:
        seen.extend(batch["data"])
        requests.get("http://127.0.0.1:9/", timeout=5)
        return batch

    frame, _ = call(refused, 1)
    assert len(seen) == 2
    assert frame[columns.CATEGORY].tolist() == ["network"]


def test_a_batch_with_a_bad_row_is_halved_and_the_good_ones_pass(call: Run, provider: Provider) -> None:
    provider.plan = lambda row, number: Answer(400) if row == "text 5" else Answer()
    frame, _ = call(asking(provider, batch_rows=8), 16)
    assert [i for i, state in enumerate(states(frame)) if state == "failed"] == [5]
    assert frame["data"].tolist() == [f"text {i}" for i in range(16)]


@pytest.mark.parametrize("dead", [500, 0])
def test_a_provider_that_is_down_is_not_asked_for_every_row(
    call: Run, limit: Limit, provider: Provider, dead: int
) -> None:
    limit(default={"concurrency": 4, "tries": 3})
    provider.plan = lambda row, number: Answer(dead)
    frame, report = call(asking(provider), 200)
    assert report.rows_failed == 200
    assert sum(provider.asked.values()) <= 3 * (8 + 4)
    assert frame[columns.CODE][199] == "service_unavailable"
    assert frame[columns.CATEGORY][199] == "network"
    assert frame[columns.MESSAGE][199].startswith("not tried: the last 8 calls of Ask failed, the last after 3 tries: ")


def test_a_provider_that_dies_halfway_costs_the_rest_and_no_more(call: Run, limit: Limit, provider: Provider) -> None:
    limit(default={"concurrency": 4, "tries": 2})
    alive = 60
    provider.plan = lambda row, number: Answer() if len(provider.order) <= alive else Answer(503)
    frame, report = call(asking(provider), 200, chunk_rows=50)
    live = states(frame).count("live")
    assert alive - 4 <= live <= alive
    assert report.rows_failed == 200 - live
    assert sum(provider.asked.values()) <= alive + 2 * (8 + 4)
    assert set(frame.loc[frame[columns.STATE] == "failed", columns.CATEGORY]) == {"network"}


def test_failures_between_successes_do_not_stop_a_step(call: Run, limit: Limit, provider: Provider) -> None:
    limit(default={"concurrency": 1, "tries": 1})
    provider.plan = lambda row, number: Answer(500 if int(row.split()[1]) % 5 else 200)
    frame, _ = call(asking(provider), 60)
    assert states(frame).count("live") == 12
    assert sum(provider.asked.values()) == 60


@pytest.mark.parametrize(
    "value",
    [lambda: "1", lambda: format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)],
    ids=["seconds", "date"],
)
def test_retry_after_holds_back_all_calls_of_the_provider(
    call: Run, limit: Limit, provider: Provider, value: Callable[[], str]
) -> None:
    limit(default={"concurrency": 2, "longest_wait": 1.0})
    provider.plan = lambda row, number: (
        Answer(429, {"Retry-After": value()}) if (row, number) == ("text 0", 1) else Answer()
    )
    frame, report = call(asking(provider), 20)
    assert states(frame) == ["live"] * 20
    # What was under way went on; the rest had to wait for the second that was asked for.
    assert report.counters["api_seconds_waited"] >= 1
    assert report.counters["api_retries"] == 1
    assert provider.asked["text 0"] == 2


def test_failures_that_say_they_may_pass_are_tried_again(call: Run) -> None:
    tries: list[str] = []

    class Store:
        def __call__(self, batch: pd.DataFrame) -> pd.DataFrame:
            tries.extend(batch["data"])
            if len(tries) < 3:
                raise StoreUnavailable("S3")
            return batch

    frame, _ = call(Store, 1)
    assert len(tries) == 3
    assert states(frame) == ["live"]


def test_other_steps_are_not_tried_again(run: Run, provider: Provider) -> None:
    provider.plan = lambda row, number: Answer(503 if row == "text 1" else 200)
    frame, report = run(asking(provider, batch_rows=1), 3, resource=ResourceType.CPU)
    assert states(frame) == ["live", "failed", "live"]
    assert set(provider.asked.values()) == {1}
    assert report.counters == {}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    plan=st.lists(st.lists(st.sampled_from([200, 200, 200, 400, 429, 500]), min_size=1, max_size=3), max_size=25),
    chunk_rows=st.integers(1, 30),
    threads=st.integers(2, 8),
)
def test_whatever_the_answers_each_row_is_sent_until_it_succeeds_and_never_after(
    call: Run, limit: Limit, provider: Provider, plan: list[list[int]], chunk_rows: int, threads: int
) -> None:
    limit(default={"concurrency": threads, "tries": 3})
    provider.asked.clear()
    # The first rows succeed, so that no streak of failures stops the step.
    plan = [[200]] * 3 + [answers if i % 3 else [200] for i, answers in enumerate(plan)]
    provider.plan = lambda row, number: Answer((plan[int(row.split()[1])] * 3)[number - 1])
    frame, report = call(asking(provider), len(plan), chunk_rows=chunk_rows)
    for i, answers in enumerate(plan):
        tried = (answers * 3)[:3]
        sent = next((n for n, status in enumerate(tried, 1) if status in (200, 400)), 3)
        assert provider.asked[f"text {i}"] == sent
        assert states(frame)[i] == ("live" if tried[sent - 1] == 200 else "failed")
    assert frame["data"].tolist() == [f"text {i}" for i in range(len(plan))]
    assert report.rows_out == report.rows_in == len(plan)
    assert report.counters["api_calls"] == sum(provider.asked.values())
