"""What surrounds a request: a body that is too large, and a client that goes away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest
from starlette.types import Message, Receive, Scope, Send

from serving.endpoints.limits import Limits
from serving.endpoints.served import Endpoints
from serving.http.exchange import ExchangeMiddleware

App = Callable[[Scope, Receive, Send], Awaitable[None]]


def scope(*headers: tuple[str, str]) -> Scope:
    raw = [(name.encode(), value.encode()) for name, value in headers]
    return {"type": "http", "method": "POST", "path": "/a/v1", "headers": raw}


async def exchanged(app: App, messages: list[Message], *headers: tuple[str, str]) -> list[Message]:
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

    middleware = ExchangeMiddleware(app, Endpoints({}, {}, Limits(body_bytes=10)))
    async with asyncio.timeout(20):
        await middleware(scope(*headers), receive, send)
    return sent


def part(body: bytes, more: bool = False) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


async def read(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message["body"]
        more = message["more_body"]
    return body


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    body = await read(receive)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def test_a_request_gets_its_id() -> None:
    start, body = asyncio.run(exchanged(echo, [part(b"12", more=True), part(b"34")], ("x-request-id", "mine")))
    assert (b"x-request-id", b"mine") in start["headers"]
    assert body["body"] == b"1234"


@pytest.mark.parametrize(
    ("messages", "headers"),
    [
        ([], [("content-length", "11")]),
        ([part(b"12345", more=True), part(b"678901", more=True), part(b"never read")], []),
    ],
)
def test_a_body_that_is_too_large_is_not_read_to_its_end(messages: list[Message], headers: Any) -> None:
    start, body = asyncio.run(exchanged(echo, messages, *headers))
    assert start["status"] == 413
    assert (b"connection", b"close") in start["headers"]
    assert orjson.loads(body["body"])["error"]["message"] == "the body has more than 10 bytes"


def test_work_for_a_client_that_has_gone_is_cancelled() -> None:
    cancelled = []

    async def works(scope: Scope, receive: Receive, send: Send) -> None:
        await read(receive)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    start, _ = asyncio.run(exchanged(works, [part(b"1"), {"type": "http.disconnect"}]))
    assert start["status"] == 499
    assert cancelled == [True]


def test_a_cancellation_from_elsewhere_goes_on() -> None:
    async def run() -> None:
        started = asyncio.Event()

        async def works(scope: Scope, receive: Receive, send: Send) -> None:
            started.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(exchanged(works, [part(b"1")]))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
