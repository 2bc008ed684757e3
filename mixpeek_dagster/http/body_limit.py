"""Bodies that are too large: refused before they are read if they say so, else as soon as it shows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mixpeek_dagster.http.envelope import Failure


class BodyLimit:
    """Answers 413 in place of the app, and closes the connection: nobody reads what still comes on it.

    Args:
        limit: the most bytes that a request's body may have.
    """

    def __init__(self, app: ASGIApp, limit: Callable[[Scope], int]) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = self._limit(scope)
        if _announced(Headers(scope=scope)) > most:
            await _refuse(most, scope, receive, send)
            return
        arrived, replied = 0, False

        async def read() -> Message:
            nonlocal arrived
            message = await receive()
            arrived += len(message.get("body", b""))
            if arrived > most:
                # An exception of another kind would be answered, and logged, by the framework that reads the body.
                raise asyncio.CancelledError
            return message

        async def answer(message: Message) -> None:
            nonlocal replied
            replied = True
            await send(message)

        try:
            await self._app(scope, read, answer)
        except asyncio.CancelledError:
            if arrived <= most or _is_cancelled():
                raise
            if not replied:
                await _refuse(most, scope, receive, send)


def _announced(headers: Headers) -> int:
    """The body's length as far as it is told."""
    told = headers.get("content-length", "")
    return int(told) if told.isdecimal() else 0


def _is_cancelled() -> bool:
    """Whether somebody else has cancelled this task."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _refuse(most: int, scope: Scope, receive: Receive, send: Send) -> None:
    response = Failure(413, f"the body has more than {most:,} bytes").response()
    response.headers["Connection"] = "close"
    await response(scope, receive, send)
