"""What happens to every request before and after its route: an id, a log line, a size limit."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mixpeek_dagster import ids
from mixpeek_dagster.api.errors import reply
from mixpeek_dagster.api.log import log_event

REQUEST_ID = "X-Request-ID"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_FORM = "application/x-www-form-urlencoded"


class RequestLog:
    """Gives each request an id, the client's own if it sends a usable one, and logs how it ended."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = MutableHeaders(scope=scope).get(REQUEST_ID, "")
        request_id = given if _REQUEST_ID.fullmatch(given) else ids.new_id(ids.Prefix.REQUEST)
        scope.setdefault("state", {})["request_id"] = request_id
        started, status = time.perf_counter(), 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        try:
            await self._app(scope, receive, answer)
        finally:
            log_event(
                "request",
                request_id=request_id,
                method=scope["method"],
                path=scope["path"],
                status=status,
                milliseconds=round((time.perf_counter() - started) * 1000, 1),
                organization=scope["state"].get("organization", ""),
            )


class BodyLimit:
    """Refuses bodies over a limit while they arrive.

    Args:
        json_bytes: limit of ordinary bodies.
        file_bytes: limit of multipart bodies.
        paths: limits of ordinary bodies of these paths.
    """

    def __init__(self, app: ASGIApp, json_bytes: int, file_bytes: int, paths: Mapping[str, int]) -> None:
        self._app = app
        self._json_bytes = json_bytes
        self._file_bytes = file_bytes
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = MutableHeaders(scope=scope)
        multipart = headers.get("content-type", "").startswith("multipart/form-data")
        limit = self._file_bytes if multipart else self._paths.get(scope["path"], self._json_bytes)
        refusal = f"the body is larger than {limit:,} bytes"
        announced = headers.get("content-length", "")
        if announced.isdigit() and int(announced) > limit:
            await reply(413, "BadRequestError", refusal)(scope, receive, send)
            return
        arrived = 0

        async def count() -> Message:
            nonlocal arrived
            message = await receive()
            arrived += len(message.get("body", b""))
            if arrived > limit:
                raise HTTPException(413, refusal)
            return message

        await self._app(scope, count, send)


class JsonByDefault:
    """Reads a body as JSON if the client says nothing better: `curl -d` announces a form."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] == "http" and scope["method"] in ("POST", "PUT", "PATCH"):
            headers = MutableHeaders(scope=scope)
            if headers.get("content-type", _FORM).split(";")[0].strip().lower() == _FORM:
                headers["content-type"] = "application/json"
        await self._app(scope, receive, send)
