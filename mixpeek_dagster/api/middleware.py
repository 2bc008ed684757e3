"""What the API does to a request that no other server does."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send

_FORM = "application/x-www-form-urlencoded"


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
