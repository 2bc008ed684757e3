"""The router: for each request that the gateway shows it, whether it may go on, and to which address.

It holds requests for deployments that are starting, and wakes those that are parked. Nothing of a request's body passes
through it.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mixpeek_dagster.deployer.hosting.slot import ServiceState, ServiceTarget
from mixpeek_dagster.deployer.hosting.spec import EVERYONE
from mixpeek_dagster.http.envelope import JSON, Failure
from mixpeek_dagster.settings import Settings

AUTHORIZE = "/authorize"
UPSTREAM_HEADER = "X-Mixpeek-Upstream"
_ROUTE = re.compile(r"^(/[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+)(?:$|[/?])")
_RETRY_SECONDS = 5


@dataclass(frozen=True)
class CallerScope:
    """Whom a request is for.

    Args:
        namespace_id: whose deployments it reaches beside those for everyone.
    """

    namespace_id: str


class Refused(Exception):
    """A request that may not go on."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


Identify = Callable[[Headers], Awaitable[CallerScope]]
Explain = Callable[[CallerScope, str], Awaitable[str]]


class Router:
    """An ASGI app.

    Args:
        identify: finds the caller of a request by its headers; raises Refused.
        explain: why a caller has no deployment on a route, for people.
        wake: starts a parked deployment, by its id.
        touch: notes that a deployment is called, by its id.
        settings: limits.
    """

    def __init__(
        self,
        identify: Identify,
        explain: Explain,
        wake: Callable[[str], None],
        touch: Callable[[str], None],
        settings: Settings,
    ) -> None:
        self._identify = identify
        self._explain = explain
        self._wake = wake
        self._touch = touch
        self._settings = settings
        self._targets: Mapping[tuple[str, str], ServiceTarget] = {}
        self._waiting: Counter[str] = Counter()
        self._changed: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def show(self, targets: Mapping[str, ServiceTarget]) -> None:
        """Take over what there is now; from any thread. Requests that are looked at later see nothing older."""
        self._targets = {(target.spec.namespace_id, target.spec.route): target for target in targets.values()}
        if self._loop is not None:
            # The loop may have ended: services are stopped after it.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._announce)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request of the gateway's."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        self._loop = asyncio.get_running_loop()
        await (await self._answer(scope["path"], Headers(scope=scope)))(scope, receive, send)

    async def _answer(self, path: str, headers: Headers) -> Response:
        try:
            if path == AUTHORIZE:
                return await self._authorize(headers)
            if path == "/targets":
                return _json(self._scrape_targets(await self._identify(headers)))
        except Refused as refused:
            return refused.failure.response()
        if path == "/healthz":
            return Response("alive", media_type="text/plain")
        if path in ("/", "/readyz"):
            return _json({"ready": True, "services": dict(Counter(t.place.value for t in self._targets.values()))})
        return Failure(404, f"there is no {path}").response()

    async def _authorize(self, headers: Headers) -> Response:
        caller = await self._identify(headers)
        uri = headers.get("x-forwarded-uri", "")
        found = _ROUTE.match(uri)
        if found is None:
            raise await self._nothing(caller, uri.partition("?")[0])
        target = await self._awake(caller, found[1])
        self._touch(target.spec.service_id)
        return Response(status_code=200, headers={UPSTREAM_HEADER: target.address or ""})

    async def _awake(self, caller: CallerScope, route: str) -> ServiceTarget:
        """The deployment of a route once it can be called."""
        target = self._find(caller, route)
        if target is not None and target.place is ServiceState.READY:
            return target
        if target is None:
            raise await self._nothing(caller, route)
        service_id = target.spec.service_id
        if self._waiting[service_id] >= self._settings.inference_queue:
            raise _later(429, f"{route}: it is starting, and as many requests as may wait do so")
        self._waiting[service_id] += 1
        try:
            async with asyncio.timeout(self._settings.inference_start_seconds):
                return await self._wait(caller, route, target)
        except TimeoutError:
            raise _later(503, f"{route}: it is still starting") from None
        finally:
            self._waiting[service_id] -= 1

    async def _wait(self, caller: CallerScope, route: str, target: ServiceTarget | None) -> ServiceTarget:
        asked = False
        while target is None or target.place is not ServiceState.READY:
            if target is None:
                raise await self._nothing(caller, route)
            if target.place is ServiceState.FAILED and (asked or not target.spec.on_demand):
                raise _later(503, f"{route} could not be started: {target.problem}")
            changed = self._next_change()
            if target.place is not ServiceState.STARTING and not asked:
                asked = True
                await asyncio.to_thread(self._wake, target.spec.service_id)
                target = self._find(caller, route)
                continue
            await changed.wait()
            target = self._find(caller, route)
        return target

    def _find(self, caller: CallerScope, route: str) -> ServiceTarget | None:
        return self._targets.get((caller.namespace_id, route)) or self._targets.get((EVERYONE, route))

    async def _nothing(self, caller: CallerScope, route: str) -> Refused:
        reachable = (EVERYONE, caller.namespace_id)
        known = sorted(target.spec.route for target in self._targets.values() if target.spec.namespace_id in reachable)
        why = await self._explain(caller, route) or "there is no such route"
        message = f"{route}: {why}. Routes: {', '.join(known) or 'none'}"
        return Refused(Failure(404, message, details={"routes": known}))

    def _scrape_targets(self, caller: CallerScope) -> list[dict[str, Any]]:
        """Where Prometheus finds the metrics of what a caller may reach, in the form of its HTTP discovery."""
        found = []
        for target in self._targets.values():
            if target.address is not None and target.spec.namespace_id in (EVERYONE, caller.namespace_id):
                labels = {"service": target.spec.service_id, "route": target.spec.route}
                found.append({"targets": [target.address], "labels": labels})
        return found

    def _next_change(self) -> asyncio.Event:
        if self._changed is None:
            self._changed = asyncio.Event()
        return self._changed

    def _announce(self) -> None:
        if self._changed is not None:
            self._changed.set()
            self._changed = None


def _later(status: int, message: str) -> Refused:
    return Refused(Failure(status, message, retry_after=_RETRY_SECONDS))


def _json(body: object) -> Response:
    return Response(orjson.dumps(body), media_type=JSON)


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        kind = (await receive())["type"].removeprefix("lifespan.")
        await send({"type": f"lifespan.{kind}.complete"})
        if kind == "shutdown":
            return
