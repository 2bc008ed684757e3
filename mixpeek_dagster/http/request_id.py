"""The id of a request: the client's own if it can be printed anywhere, else a new one; never a reason to refuse it."""

from __future__ import annotations

import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mixpeek_dagster.ids import Prefix, new_id

HEADER = "X-Request-ID"
RULE = "[A-Za-z0-9][A-Za-z0-9._:/+=-]{0,127}"
"""What a client's id may be: safe in a header, a line of a log, JSON, HTML and a spreadsheet's cell."""
_RULE = re.compile(RULE)


class RequestIds:
    """Gives each request an id, and its reply the same."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        request_id = given if _RULE.fullmatch(given) else new_id(Prefix.REQUEST)
        scope.setdefault("state", {})["request_id"] = request_id

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        await self._app(scope, receive, answer)


def id_of(scope: Scope) -> str:
    """The id that a request was given; empty if nothing gave it one."""
    return str(scope.get("state", {}).get("request_id", ""))
