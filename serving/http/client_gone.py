"""Work for a client that has gone is cancelled."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mixpeek_dagster.http.envelope import Failure

CLIENT_GONE = 499
"""Status that logs show when nobody waited for the reply; the number is nginx's."""


class ClientGone:
    """Watches the connection of a request from its body's end on."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on for as long as its client waits."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        watch = _Watch(receive, send)
        try:
            await self._app(scope, watch.receive, watch.send)
            if watch.gone:
                # The client went away while the app ended: take the cancellation here, not somewhere above.
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            if not watch.take():
                raise
            if not watch.replied:
                await Failure(CLIENT_GONE, "the client has gone").response()(scope, receive, send)
        finally:
            watch.stop()


class _Watch:
    """One request that is being answered, and whether its client still waits."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self.gone = False
        self.replied = False
        self._receive = receive
        self._send = send
        self._answering = asyncio.current_task()
        self._watching: asyncio.Task[None] | None = None

    async def receive(self) -> Message:
        """What the app receives."""
        message = await self._receive()
        if message["type"] == "http.request" and not message.get("more_body", False) and self._watching is None:
            self._watching = asyncio.create_task(self._until_gone())
        return message

    async def send(self, message: Message) -> None:
        """What the app sends."""
        self.replied = True
        await self._send(message)

    def take(self) -> bool:
        """Take a cancellation if it is that of this watch."""
        if not self.gone or self._answering is None:
            return False
        self._answering.uncancel()
        return True

    def stop(self) -> None:
        """Watch no longer."""
        if self._watching is not None:
            self._watching.cancel()

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if self._answering is not None:
            self.gone = True
            self._answering.cancel()
