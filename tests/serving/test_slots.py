"""Turns of calls: how many at a time, who is next, who gives up."""

from __future__ import annotations

import asyncio

import pytest

from serving.endpoints.overload import Overloaded
from serving.endpoints.slots import CallSlot, Slots
from tests.serving.batches import Clock, settle


def test_first_call_is_alone_until_one_has_succeeded() -> None:
    async def run() -> None:
        slots = Slots(3, 8)
        first = await slots.take()
        others = [asyncio.create_task(slots.take()) for _ in range(4)]
        await settle()
        assert (slots.taken, slots.waiting) == (1, 4)
        first.end()
        await settle()
        assert (slots.taken, slots.waiting) == (1, 3)
        slots.warm()
        await settle()
        assert (slots.taken, slots.waiting) == (3, 1)
        others[0].result().end()
        await settle()
        assert (slots.taken, slots.waiting) == (3, 0)

    asyncio.run(run())


def test_first_come_is_first_served() -> None:
    served: list[int] = []

    async def run() -> None:
        slots = Slots(1, 8)
        held = await slots.take()

        async def call(number: int) -> None:
            slot = await slots.take()
            served.append(number)
            slot.end()

        calls = [asyncio.create_task(call(number)) for number in range(3)]
        await settle()
        held.end()
        await asyncio.gather(*calls)

    asyncio.run(run())
    assert served == [0, 1, 2]


def test_who_gives_up_leaves_the_line_and_no_slot_is_lost() -> None:
    async def run() -> CallSlot:
        slots = Slots(1, 8)
        held = await slots.take()
        leaving, called, last = (asyncio.create_task(slots.take()) for _ in range(3))
        await settle()
        leaving.cancel()
        await settle()
        assert slots.waiting == 2
        held.end()
        # Its turn has come, but it has not heard of it yet.
        called.cancel()
        await settle()
        with pytest.raises(asyncio.CancelledError):
            await called
        return await last

    assert isinstance(asyncio.run(run()), CallSlot)


def test_a_line_that_is_too_long_tells_when_to_come_again() -> None:
    clock = Clock()

    async def run() -> int:
        slots = Slots(2, 4, clock)
        slots.warm()
        first = await slots.take()
        clock.now = 5
        first.end()
        for _ in range(2):
            await slots.take()
        line = [asyncio.create_task(slots.take()) for _ in range(4)]
        await settle()
        with pytest.raises(Overloaded) as refused:
            await slots.take()
        for each in line:
            each.cancel()
        return refused.value.retry_after

    # A call took 5 seconds; four wait for two slots.
    assert asyncio.run(run()) == 10
