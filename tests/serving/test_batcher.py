"""Batching across requests: giving up, overload, and what one input does to those beside it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest
import torch

from serving.batching.batcher import DoesNotFit
from serving.endpoints.overload import Overloaded
from tests.serving.batches import Clock, Gate, ask, batcher, settle


def test_answers_come_back_in_the_order_of_the_inputs() -> None:
    async def run() -> list[int]:
        gate = Gate()
        gate.let(9)
        return await ask(batcher(gate), 1, 2, 3, sizes=[50, 10, 90])  # type: ignore[no-any-return]

    assert asyncio.run(run()) == [2, 4, 6]


def test_requests_that_wait_together_are_computed_together() -> None:
    async def run() -> Gate:
        gate = Gate()
        lane = batcher(gate)
        first = asyncio.create_task(ask(lane, 1))
        await gate.holds()
        others = [asyncio.create_task(ask(lane, number)) for number in (2, 3, 4)]
        await settle()
        gate.let(2)
        assert await asyncio.gather(first, *others) == [[2], [4], [6], [8]]
        return gate

    assert asyncio.run(run()).packs == [[1], [2, 3, 4]]


def test_nothing_waits_for_a_pack_to_fill_or_for_another_lane() -> None:
    async def run() -> Gate:
        gate = Gate()
        lanes = batcher(gate, lanes=2)
        first = asyncio.create_task(ask(lanes, 1))
        await gate.holds()
        second = asyncio.create_task(ask(lanes, 2))
        await gate.holds()
        gate.let(2)
        await asyncio.gather(first, second)
        return gate

    assert asyncio.run(run()).packs == [[1], [2]]


def test_a_pack_that_is_alone_may_use_all_cores_and_no_other() -> None:
    used: list[int] = []

    async def run() -> None:
        gate = Gate()
        lanes = batcher(gate, lanes=2, threads=2, set_threads=used.append)
        gate.let(1)
        await ask(lanes, 0)
        await gate.holds()
        first = asyncio.create_task(ask(lanes, 1))
        await gate.holds()
        assert used.count(2) == 1
        second = asyncio.create_task(ask(lanes, 2))
        await gate.holds()
        gate.let(2)
        await asyncio.gather(first, second)
        lanes.close()

    asyncio.run(run())
    assert used.count(2) == 1
    assert used[-1] == 1


def test_inputs_of_a_client_that_went_away_are_not_computed() -> None:
    async def run() -> tuple[Gate, int]:
        gate = Gate()
        lane = batcher(gate)
        first = asyncio.create_task(ask(lane, 1))
        await gate.holds()
        gone, last = asyncio.create_task(ask(lane, 2, 3)), asyncio.create_task(ask(lane, 4))
        await settle()
        assert lane.queued == 3
        gone.cancel()
        await settle()
        queued = lane.queued
        gate.let(2)
        await asyncio.gather(first, last)
        return gate, queued

    gate, queued = asyncio.run(run())
    assert queued == 1
    assert gate.packs == [[1], [4]]


def test_inputs_that_are_too_late_are_not_computed() -> None:
    clock = Clock()

    async def run() -> Gate:
        gate = Gate()
        lane = batcher(gate, clock=clock)
        first = asyncio.create_task(ask(lane, 1))
        await gate.holds()
        late, last = asyncio.create_task(ask(lane, 2, seconds=5)), asyncio.create_task(ask(lane, 3, seconds=50))
        await settle()
        clock.now = 10
        gate.let(2)
        assert (await first, await last) == ([2], [6])
        with pytest.raises(TimeoutError):
            await late
        return gate

    assert asyncio.run(run()).packs == [[1], [3]]


def test_a_full_queue_refuses_and_tells_when_to_come_again() -> None:
    clock = Clock()

    async def run() -> int:
        gate = Gate()
        lane = batcher(gate, capacity=4, clock=clock)
        first = asyncio.create_task(ask(lane, 1))
        await gate.holds()
        clock.now = 3
        gate.let(1)
        await first
        held = asyncio.create_task(ask(lane, 2))
        await gate.holds()
        waiting = [asyncio.create_task(ask(lane, 3, 4)), asyncio.create_task(ask(lane, 5, 6))]
        await settle()
        with pytest.raises(Overloaded) as refused:
            lane.admit(1, 60)
        gate.let(3)
        await asyncio.gather(held, *waiting)
        lane.admit(4, 60)
        return refused.value.retry_after

    # Ten tokens took 3 seconds; forty wait.
    assert asyncio.run(run()) == 12


def test_inputs_that_are_still_prepared_have_places_in_the_queue() -> None:
    async def run() -> None:
        lane = batcher(Gate(), capacity=4)
        with lane.admit(3, 60), pytest.raises(Overloaded):
            lane.admit(2, 60)
        assert lane.queued == 0
        lane.admit(4, 60)

    asyncio.run(run())


async def _packed_together(compute: Callable[[Sequence[int]], list[int]], numbers: Iterable[int]) -> list[Any]:
    """What becomes of inputs that all wait while another is computed."""
    gate = Gate(compute)
    lane = batcher(gate)
    first = asyncio.create_task(ask(lane, 0))
    await gate.holds()
    others = [asyncio.create_task(ask(lane, number)) for number in numbers]
    await settle()
    gate.let(50)
    await first
    return await asyncio.gather(*others, return_exceptions=True)


def test_one_input_that_does_not_fit_fails_alone() -> None:
    def compute(payloads: Sequence[int]) -> list[int]:
        if 3 in payloads or len(payloads) > 2:
            raise torch.OutOfMemoryError("no room")
        return [payload * 2 for payload in payloads]

    one, two, three, four, five = asyncio.run(_packed_together(compute, range(1, 6)))
    assert (one, two, four, five) == ([2], [4], [8], [10])
    assert isinstance(three, DoesNotFit)


def test_one_input_that_the_model_chokes_on_fails_alone() -> None:
    def compute(payloads: Sequence[int]) -> list[int]:
        if 2 in payloads:
            raise IndexError("token out of range")
        return [payload * 2 for payload in payloads]

    one, two, three = asyncio.run(_packed_together(compute, (1, 2, 3)))
    assert (one, three) == ([2], [6])
    assert isinstance(two, IndexError)


def test_a_lane_outlives_whatever_goes_wrong() -> None:
    class Observer:
        failures = 1

        def packed(self, items: int, tokens: int, waits: Sequence[float]) -> None:
            if self.failures:
                self.failures -= 1
                raise OSError("no space left on device")

    async def run() -> list[Any]:
        gate = Gate(lambda payloads: payloads[1:] if 2 in payloads else payloads)
        gate.let(9)
        lane = batcher(gate, observer=Observer())
        return [
            (await asyncio.gather(ask(lane, number), return_exceptions=True))[0]  # one after the other
            for number in (1, 2, 3)
        ]

    failed, missing, fine = asyncio.run(run())
    assert isinstance(failed, OSError)
    assert str(missing) == "0 answers to 1 inputs"
    assert fine == [3]


def test_a_request_without_inputs_has_its_answer() -> None:
    async def run() -> object:
        return await ask(batcher(Gate()))

    assert asyncio.run(run()) == []


def test_packs_are_told_with_their_waits() -> None:
    clock = Clock()
    told: list[tuple[int, int, list[float]]] = []

    class Observer:
        def packed(self, items: int, tokens: int, waits: Sequence[float]) -> None:
            told.append((items, tokens, list(waits)))

    async def run() -> None:
        gate = Gate()
        lane = batcher(gate, clock=clock, observer=Observer())
        first = asyncio.create_task(ask(lane, 1))
        await gate.holds()
        others = [asyncio.create_task(ask(lane, number, sizes=[20 + number])) for number in (2, 3)]
        await settle()
        clock.now = 4
        gate.let(2)
        await asyncio.gather(first, *others)

    asyncio.run(run())
    assert told == [(1, 10, [0.0]), (2, 46, [4.0, 4.0])]


def test_lanes_end_when_it_is_closed() -> None:
    before = threading.active_count()
    lanes = batcher(Gate(), lanes=3)
    assert threading.active_count() == before + 3
    lanes.close()
    assert threading.active_count() == before
