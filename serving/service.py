"""A BentoML service with one API method per endpoint.

Each endpoint is an API method of its own rather than a route of a mounted app: so BentoML's page, OpenAPI, metrics and
clients know it by name, with its inputs and an example.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

import attrs
import bentoml
from starlette.types import Scope

from mixpeek_dagster.http.access_log import AccessLog, Exchange, log_request
from mixpeek_dagster.http.body_limit import BodyLimit
from mixpeek_dagster.http.envelope import Failure
from mixpeek_dagster.http.error_replies import ErrorReplies, explain
from mixpeek_dagster.http.logs import log_to_stderr
from mixpeek_dagster.http.request_id import RequestIds
from mixpeek_dagster.models.cache import use_cache
from mixpeek_dagster.models.hub import answer_from_store
from mixpeek_dagster.version import __version__
from serving.endpoints.endpoint import Endpoint
from serving.endpoints.metrics import metrics
from serving.endpoints.served import Endpoints
from serving.http.client_gone import ClientGone
from serving.http.health import READY, HealthMiddleware
from serving.http.page import PagePolicy
from serving.http.request import RequestBody
from serving.variables import INSTANCE

_NAME = "mixpeek_inference"
_TITLE = "Realtime inference"
_ABOUT = """Realtime inference of plugins and built-in models.

Each endpoint takes `{"inputs": {...}, "parameters": {...}}`. A plugin answers with what its `InferenceService`
returned. Errors are `{"success": false, "status": ..., "error": {"type": ..., "message": ...}}`. `/readyz` tells the
state of every endpoint, `/metrics` its figures."""


class EndpointsService(bentoml.Service):  # type: ignore[misc]
    """A BentoML service whose page and OpenAPI describe its endpoints."""

    endpoints: Endpoints

    @property
    def doc(self) -> str:
        """Text at the top of the page, Markdown."""
        return _ABOUT

    @property
    def openapi_spec(self) -> Any:
        """BentoML's specification, with what it cannot know of the endpoints."""
        specification = super().openapi_spec
        specification = attrs.evolve(
            specification, info=attrs.evolve(specification.info, title=_TITLE, version=__version__, contact=None)
        )
        for route, endpoint in self.endpoints.routes.items():
            specification.paths[route].post.update(endpoint.operation())
        return specification


def build_service(endpoints: Endpoints) -> EndpointsService:
    """A service with one API method per endpoint.

    MIXPEEK_SERVE_INSTANCE is a name that /readyz repeats, so that a caller knows whose port it has reached.
    """

    class Inference:
        """Realtime inference."""

        @bentoml.on_startup  # type: ignore[untyped-decorator]
        async def load(self) -> None:
            # Now, since BentoML's own logging silences loggers that are there before it.
            log_to_stderr()
            # In the background: an endpoint that is slow to load must not keep the others from answering.
            self._loading = asyncio.create_task(endpoints.load())

    for endpoint in endpoints.routes.values():
        setattr(Inference, endpoint.name, _method(endpoint))
    service: EndpointsService = bentoml.service(
        Inference,
        name=_NAME,
        service_class=EndpointsService,
        # One worker holds the models once.
        workers=1,
        # The endpoint's own limit comes first, since it answers with an envelope.
        traffic={"timeout": endpoints.limits.seconds + 60},
        # Each request has a line of ours.
        logging={"access": {"enabled": False}},
        tracing=_tracing(),
    )
    service.endpoints = endpoints
    # The first is the outermost.
    service.add_asgi_middleware(RequestIds)
    service.add_asgi_middleware(AccessLog, tell=partial(_tell, endpoints))
    service.add_asgi_middleware(ErrorReplies, explain=partial(_explain, endpoints), untouched=(READY,))
    service.add_asgi_middleware(BodyLimit, limit=lambda scope: endpoints.limits.body_bytes)
    service.add_asgi_middleware(PagePolicy)
    service.add_asgi_middleware(ClientGone)
    service.add_asgi_middleware(HealthMiddleware, endpoints=endpoints, instance=os.environ.get(INSTANCE, ""))
    return service


def _tell(endpoints: Endpoints, exchange: Exchange) -> None:
    """Count and log a request for an endpoint; whoever asks how the service is does so every second."""
    route = exchange.scope["path"]
    if route in endpoints.routes:
        metrics().replied(route, exchange.status, exchange.seconds)
        log_request(exchange)


def _explain(endpoints: Endpoints, scope: Scope, status: int, body: bytes) -> Failure:
    """What BentoML's error replies say; a wrong route is told the right ones."""
    if status != 404:
        return explain(scope, status, body)
    known, missing = ", ".join(endpoints.routes) or "none", len(endpoints.unserved)
    message = f"{scope['method']} {scope['path']}: there is no such route. Routes: {known}"
    if missing:
        message += f". {missing} more could not be read, see {READY}"
    return Failure(404, message, details={"routes": list(endpoints.routes)})


def _tracing() -> dict[str, Any]:
    """Spans that nobody exports are not made: they take longer than all the rest of a request's way."""
    exported = any(name.startswith("OTEL_EXPORTER_") for name in os.environ)
    return {} if exported else {"excluded_urls": ".*"}


def _method(endpoint: Endpoint) -> Any:
    async def infer(self: object, inputs: dict[str, Any] | Failure, parameters: dict[str, Any]) -> dict[str, Any]:
        reply = inputs.response() if isinstance(inputs, Failure) else await endpoint.answer(inputs, parameters)
        # BentoML passes a ready response on, and shows the declared type.
        return cast(dict[str, Any], reply)

    infer.__name__ = endpoint.name
    decorate: Callable[[Any], Any] = bentoml.api(route=endpoint.route, input_spec=RequestBody)
    return decorate(infer)


def set_up_process() -> None:
    """Have the process find the batch's models, and its threads sleep when they wait for each other.

    Threads that wait in a loop keep cores from those that they wait for, once more of them run than there are cores.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if models := os.environ.get("MIXPEEK_MODELS"):
        use_cache(Path(models))
    answer_from_store()
