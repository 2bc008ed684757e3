"""One request and its reply: its id, its size, whether the client still waits, and what is told of it afterwards."""

from __future__ import annotations

import asyncio
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.endpoints.metrics import metrics
from serving.endpoints.served import Endpoints
from serving.http.access_log import log_request, request_id
from serving.http.envelope import Failure

REQUEST_ID = "mixpeek.request_id"
"""Where a request's id is in its ASGI scope."""
CLIENT_GONE = 499
"""Status that logs show when nobody waited for the reply; the number is nginx's."""
_TOO_LARGE = 413


class ExchangeMiddleware:
    """Surrounds the requests of endpoints.

    A body that is too large is not read to its end. Work for a client that has gone is cancelled.
    """

    def __init__(self, app: ASGIApp, endpoints: Endpoints) -> None:
        self._app = app
        self._endpoints = endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and count and log it if it is for an endpoint."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        scope[REQUEST_ID] = request_id(headers.get("x-request-id"))
        exchange = _Exchange(scope, receive, send, self._endpoints.limits.body_bytes)
        if _length(headers) > exchange.most:
            await exchange.refuse()
        else:
            await exchange.run(self._app)
        if scope["path"] in self._endpoints.routes:
            exchange.tell()


class _Exchange:
    """A request that is being answered."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, most: int) -> None:
        self.most = most
        self._scope = scope
        self._receive = receive
        self._send = send
        self._started = time.perf_counter()
        self._task = asyncio.current_task()
        self._watch: asyncio.Task[None] | None = None
        self._stopped: int | None = None
        self._received = 0
        self._sent = 0
        self._status = 500
        self._replied = False
        self._retry: str | None = None

    async def run(self, app: ASGIApp) -> None:
        """Let the app answer, unless it is stopped."""
        try:
            await app(self._scope, self.receive, self.send)
            if self._stopped is not None:
                # The client went away while the app ended: take the cancellation here, not somewhere above.
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            if self._stopped is None or self._task is None:
                raise
            if self._stopped == CLIENT_GONE:
                self._task.uncancel()
            if not self._replied:
                await self.refuse(self._stopped)
        finally:
            if self._watch is not None:
                self._watch.cancel()

    async def refuse(self, status: int = _TOO_LARGE) -> None:
        """Answer in place of the app."""
        said = "the client has gone" if status == CLIENT_GONE else f"the body has more than {self.most:,} bytes"
        response = Failure(status, said).response()
        response.headers["Connection"] = "close"
        await response(self._scope, self._receive, self.send)

    def tell(self) -> None:
        """Count and log it."""
        seconds = time.perf_counter() - self._started
        path = self._scope["path"]
        metrics().requests.labels(path, self._status).inc()
        metrics().seconds.labels(path).observe(seconds)
        log_request(
            self._scope[REQUEST_ID],
            self._scope["method"],
            path,
            self._status,
            seconds,
            self._received,
            self._sent,
            self._retry,
        )

    async def receive(self) -> Message:
        """What the app receives; from the body's end on, the connection is watched."""
        message = await self._receive()
        if message["type"] == "http.request":
            self._received += len(message.get("body", b""))
            if self._received > self.most:
                self._stopped = _TOO_LARGE
                raise asyncio.CancelledError
            if not message.get("more_body", False) and self._watch is None:
                self._watch = asyncio.create_task(self._until_gone())
        return message

    async def send(self, message: Message) -> None:
        """What the app sends, with the request's id."""
        if message["type"] == "http.response.start":
            self._status, self._replied = message["status"], True
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = self._scope[REQUEST_ID]
            self._retry = headers.get("retry-after")
        elif message["type"] == "http.response.body":
            self._sent += len(message.get("body", b""))
        await self._send(message)

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if self._task is not None:
            self._stopped = CLIENT_GONE
            self._task.cancel()


def _length(headers: Headers) -> int:
    """The body's length as far as it is told."""
    told = headers.get("content-length", "")
    return int(told) if told.isdecimal() else 0
