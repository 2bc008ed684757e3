"""How a service is: the process, every endpoint, its figures."""

from __future__ import annotations

import orjson
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from mixpeek_dagster.http.envelope import JSON
from serving.endpoints.metrics import metrics
from serving.endpoints.served import Endpoints

READY = "/readyz"


class HealthMiddleware:
    """Answers /healthz, and /readyz with the state of every endpoint; sets the gauges before /metrics is read."""

    def __init__(self, app: ASGIApp, endpoints: Endpoints, instance: str) -> None:
        self._app = app
        self._endpoints = endpoints
        self._instance = instance

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass the request on."""
        path = scope["path"] if scope.get("method") in ("GET", "HEAD") else ""
        if path == "/healthz":
            await PlainTextResponse("alive")(scope, receive, send)
        elif path == READY:
            report = {"instance": self._instance, **self._endpoints.report()}
            status = 200 if self._endpoints.ready else 503
            await Response(orjson.dumps(report), status, media_type=JSON)(scope, receive, send)
        else:
            if path == "/metrics":
                metrics().look_at(self._endpoints.routes.values())
            await self._app(scope, receive, send)
