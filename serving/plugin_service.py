"""The BentoML service of plugins: `bentoml serve serving.plugin_service:PluginService`.

MIXPEEK_SERVE_PLUGINS names the plugin folders, separated like the entries of PATH. Each plugin is an API method of its
own rather than a route of a mounted app: so BentoML's page, OpenAPI, metrics and clients know it by name, with its
inputs and an example.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import bentoml

from mixpeek_dagster.models.cache import use_cache
from mixpeek_dagster.models.hub import answer_from_store
from serving.endpoint import CALL_SECONDS, Endpoint
from serving.endpoints import Endpoints
from serving.envelope import Failure
from serving.middleware import EnvelopeMiddleware, ReadinessMiddleware
from serving.openapi import operation
from serving.request import InferenceRequest

_NAME = "mixpeek_inference"
_ABOUT = """Realtime inference of plugins.

Each endpoint takes `{"inputs": {...}, "parameters": {...}}` and answers with what the plugin's `InferenceService`
returned. Errors are `{"success": false, "status": ..., "error": {"type": ..., "message": ...}}`. `/readyz` tells the
state of every plugin."""


class RealtimeService(bentoml.Service):  # type: ignore[misc]
    """A BentoML service whose page and OpenAPI describe the plugins."""

    endpoints: Endpoints

    @property
    def doc(self) -> str:
        """Text at the top of the page, Markdown."""
        return _ABOUT

    @property
    def openapi_spec(self) -> Any:
        """BentoML's specification, with what it cannot know of the plugins."""
        specification = super().openapi_spec
        for route, endpoint in self.endpoints.routes.items():
            specification.paths[route].post.update(operation(endpoint.plugin.spec))
        return specification


def build_service(endpoints: Endpoints, instance: str) -> RealtimeService:
    """A service with one API method per endpoint.

    Args:
        endpoints: what to serve.
        instance: a name that /readyz repeats, so that a caller knows whose port it has reached.
    """

    class Plugins:
        """Realtime inference of plugins."""

        @bentoml.on_startup  # type: ignore[untyped-decorator]
        async def load(self) -> None:
            # In the background: a plugin that is slow to load must not keep the others from answering.
            self._loading = asyncio.create_task(endpoints.load())

    for endpoint in endpoints.routes.values():
        setattr(Plugins, endpoint.plugin.spec.plugin_id, _method(endpoint))
    # One worker holds the models once; the endpoint's own limit comes first, since it answers with an envelope.
    service: RealtimeService = bentoml.service(
        Plugins, name=_NAME, service_class=RealtimeService, workers=1, traffic={"timeout": CALL_SECONDS + 60}
    )
    service.endpoints = endpoints
    # The first is the outermost.
    service.add_asgi_middleware(ReadinessMiddleware, endpoints=endpoints, instance=instance)
    service.add_asgi_middleware(EnvelopeMiddleware, endpoints=endpoints)
    return service


def _method(endpoint: Endpoint) -> Any:
    async def infer(self: object, inputs: dict[str, Any] | Failure, parameters: dict[str, Any]) -> dict[str, Any]:
        reply = inputs.response() if isinstance(inputs, Failure) else await endpoint.answer(inputs, parameters)
        # BentoML passes a ready response on, and shows the declared type.
        return cast(dict[str, Any], reply)

    infer.__name__ = endpoint.plugin.spec.plugin_id
    decorate: Callable[[Any], Any] = bentoml.api(route=endpoint.route, input_spec=InferenceRequest)
    return decorate(infer)


def _set_up_process() -> None:
    """Have the process find the batch's models."""
    if models := os.environ.get("MIXPEEK_MODELS"):
        use_cache(Path(models))
    answer_from_store()


_set_up_process()
_FOLDERS = [Path(entry) for entry in os.environ.get("MIXPEEK_SERVE_PLUGINS", "").split(os.pathsep) if entry]
PluginService = build_service(Endpoints.of(_FOLDERS), os.environ.get("MIXPEEK_SERVE_INSTANCE", ""))
