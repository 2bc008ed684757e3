"""One line for each request: never what was in it, nor what was answered."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mixpeek_dagster.http.logs import log_event
from mixpeek_dagster.http.request_id import id_of

_LONGEST_PATH = 200


@dataclass
class Exchange:
    """A request and its reply, as far as they are told.

    Args:
        scope: the request, as ASGI has it.
        status: of the reply; 500 if there was none.
        seconds: from the request's head to the reply's end.
        received: bytes of the request's body that were read.
        sent: bytes of the reply's body.
        retry_after: when the client was told to come again.
    """

    scope: Scope
    status: int = 500
    seconds: float = 0.0
    received: int = 0
    sent: int = 0
    retry_after: str | None = None


class AccessLog:
    """Watches each request and tells of it when it is over.

    Args:
        tell: called once for each request; `log_request` writes its line.
    """

    def __init__(self, app: ASGIApp, tell: Callable[[Exchange], None]) -> None:
        self._app = app
        self._tell = tell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, exchange = time.perf_counter(), Exchange(scope)

        async def read() -> Message:
            message = await receive()
            exchange.received += len(message.get("body", b""))
            return message

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                exchange.retry_after = Headers(raw=message.get("headers", [])).get("retry-after")
            elif message["type"] == "http.response.body":
                exchange.sent += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, read, answer)
        finally:
            exchange.seconds = time.perf_counter() - started
            self._tell(exchange)


def log_request(exchange: Exchange, **more: Any) -> None:
    """Write the line of a request; `more` are fields that only some servers have."""
    if exchange.retry_after is not None:
        more["retry_after"] = exchange.retry_after
    log_event(
        "request",
        request_id=id_of(exchange.scope),
        method=exchange.scope["method"],
        # Without the query, which may hold anything.
        path=exchange.scope["path"][:_LONGEST_PATH],
        status=exchange.status,
        milliseconds=round(exchange.seconds * 1000, 2),
        bytes_in=exchange.received,
        bytes_out=exchange.sent,
        **more,
    )
