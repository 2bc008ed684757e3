"""Every error reply of a server in the envelope, whoever made it, with the request's id."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

import orjson
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mixpeek_dagster.errors import ErrorCode
from mixpeek_dagster.http.envelope import JSON, Failure, read_failure, text_of
from mixpeek_dagster.http.logs import log_failure
from mixpeek_dagster.http.request_id import id_of

Explain = Callable[[Scope, int, bytes], Failure]
"""What an error reply that is no envelope says, by its request, status and body."""
_UNEXPECTED = "something failed that should not have; the server's log has it under this request's id"


def explain(scope: Scope, status: int, body: bytes) -> Failure:
    """The request, and what the reply says."""
    return Failure(status, f"{scope['method']} {scope['path']}: {text_of(status, body)}")


class ErrorReplies:
    """Looks at every reply with a status from 400 on; answers when the app raises.

    Args:
        explain: puts what is no envelope into words.
        untouched: paths whose replies stay as they are: reports whose status is a part of what they say.
    """

    def __init__(self, app: ASGIApp, explain: Explain = explain, untouched: Collection[str] = ()) -> None:
        self._app = app
        self._explain = explain
        self._untouched = untouched

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        reply = _Reply(scope, send, None if scope["path"] in self._untouched else self._explain)
        try:
            await self._app(scope, receive, reply)
        except Exception as error:
            log_failure(scope, error)
            if not reply.started:
                failure = Failure(500, _UNEXPECTED, details={"code": ErrorCode.INTERNAL.value})
                await failure.response()(scope, receive, reply)
            # Servers log it, and callers within the process see it.
            raise


class _Reply:
    """Passes a reply on, but for errors: their bodies are collected and sent in the envelope."""

    def __init__(self, scope: Scope, send: Send, explain: Explain | None) -> None:
        self.started = False
        self._scope = scope
        self._send = send
        self._explain = explain
        self._start: Message = {}
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] >= 400 and self._explain is not None:
            self._start, self._body = message, b""
        elif message["type"] == "http.response.body" and self._start and self._explain is not None:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._send_envelope(self._explain)
        else:
            self.started = True
            await self._send(message)

    async def _send_envelope(self, explain: Explain) -> None:
        status = self._start["status"]
        failure = read_failure(status, self._body) or explain(self._scope, status, self._body)
        failure = replace(failure, details={**failure.details, "request_id": id_of(self._scope)})
        body = orjson.dumps(failure.envelope())
        headers = MutableHeaders(raw=list(self._start.get("headers", [])))
        headers["content-type"], headers["content-length"] = JSON, str(len(body))
        self.started = True
        await self._send({**self._start, "headers": headers.raw})
        await self._send({"type": "http.response.body", "body": body})
