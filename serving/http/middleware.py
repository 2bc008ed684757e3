"""What surrounds BentoML's own app: error envelopes, readiness in words, and pages that load nothing from elsewhere."""

from __future__ import annotations

import orjson
from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.endpoints.metrics import metrics
from serving.endpoints.served import Endpoints
from serving.http.envelope import JSON, Failure, read_envelope, text_of
from serving.http.exchange import REQUEST_ID

# BentoML's page would load an analytics script; only what this server itself serves may run.
_PAGE_POLICY = "default-src 'self' 'unsafe-inline' data:"


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
        elif path == "/readyz":
            report = {"instance": self._instance, **self._endpoints.report()}
            status = 200 if self._endpoints.ready else 503
            await Response(orjson.dumps(report), status, media_type=JSON)(scope, receive, send)
        else:
            if path == "/metrics":
                metrics().look_at(self._endpoints.routes.values())
            await self._app(scope, receive, send)


class EnvelopeMiddleware:
    """Puts every error reply that is not ours, of BentoML or of the router, into an envelope; adds the request's id."""

    def __init__(self, app: ASGIApp, endpoints: Endpoints) -> None:
        self._app = app
        self._endpoints = endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and look at the reply."""
        if scope["type"] != "http" or scope["path"] == "/readyz":
            await self._app(scope, receive, send)
            return
        await self._app(scope, receive, _Sender(scope, send, self._endpoints))


class _Sender:
    """Passes a reply on; holds back one with an error status until its body is whole."""

    def __init__(self, scope: Scope, send: Send, endpoints: Endpoints) -> None:
        self._scope = scope
        self._send = send
        self._endpoints = endpoints
        self._start: Message = {}
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] >= 400:
            self._start = message
        elif self._start and message["type"] == "http.response.body":
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._send_error()
        else:
            _protect_page(message)
            await self._send(message)

    async def _send_error(self) -> None:
        envelope = read_envelope(self._body) or self._failure().envelope()
        envelope["error"].setdefault("details", {})["request_id"] = self._scope.get(REQUEST_ID)
        body = orjson.dumps(envelope)
        headers = MutableHeaders(raw=self._start["headers"])
        headers["content-type"], headers["content-length"] = JSON, str(len(body))
        await self._send(self._start)
        await self._send({"type": "http.response.body", "body": body})

    def _failure(self) -> Failure:
        status = self._start["status"]
        asked = f"{self._scope['method']} {self._scope['path']}"
        if status != 404:
            return Failure(status, f"{asked}: {text_of(status, self._body)}")
        known, missing = ", ".join(self._endpoints.routes) or "none", len(self._endpoints.unserved)
        message = f"{asked}: there is no such route. Routes: {known}"
        if missing:
            message += f". {missing} more could not be read, see /readyz"
        return Failure(status, message, details={"routes": list(self._endpoints.routes)})


def _protect_page(message: Message) -> None:
    if message["type"] == "http.response.start":
        headers = MutableHeaders(raw=message["headers"])
        if headers.get("content-type", "").startswith("text/html"):
            headers["content-security-policy"] = _PAGE_POLICY
