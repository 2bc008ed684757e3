"""A client that goes away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from starlette.types import Message, Receive, Scope, Send

from serving.http.client_gone import ClientGone

App = Callable[[Scope, Receive, Send], Awaitable[None]]


PART: Message = {"type": "http.request", "body": b"1", "more_body": False}
SCOPE: Scope = {"type": "http", "method": "POST", "path": "/a/v1", "headers": []}


async def exchanged(app: App, messages: list[Message]) -> list[Message]:
    """What is sent when a client sends these messages, and then nothing."""
    sent: list[Message] = []
    coming = iter(messages)

    async def receive() -> Message:
        for message in coming:
            return message
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    async with asyncio.timeout(20):
        await ClientGone(app)(SCOPE, receive, send)
    return sent


def test_work_for_a_client_that_has_gone_is_cancelled() -> None:
    cancelled = []

    async def works(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    start, _ = asyncio.run(exchanged(works, [PART, {"type": "http.disconnect"}]))
    assert start["status"] == 499
    assert cancelled == [True]


def test_a_cancellation_from_elsewhere_goes_on() -> None:
    async def run() -> None:
        started = asyncio.Event()

        async def works(scope: Scope, receive: Receive, send: Send) -> None:
            started.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(exchanged(works, [PART]))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
