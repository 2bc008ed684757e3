"""One plugin's realtime code: loaded once, called per request."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from starlette.responses import Response

from mixpeek_dagster.errors import MixpeekError, PluginLoadError
from mixpeek_dagster.http.envelope import JSON, Failure
from mixpeek_dagster.plugins.loading import load_plugin
from mixpeek_dagster.plugins.package import describe, place_in
from mixpeek_dagster.plugins.plugin import LoadedPlugin
from mixpeek_dagster.plugins.realtime import Entry, build_service, call_service
from mixpeek_dagster.plugins.spec import PluginSpec
from serving.endpoints.call import LoopCall
from serving.endpoints.endpoint import LOAD_SECONDS, Endpoint
from serving.endpoints.limits import Limits
from serving.endpoints.served import Endpoints
from serving.endpoints.slots import Slots
from serving.heap import freeze_gc
from serving.http.openapi import plugin_operation
from serving.http.reply import InvalidReply, encode_reply

_log = logging.getLogger(__name__)


class PluginEndpoint(Endpoint):
    """A plugin's InferenceService, in an event loop and threads of its own.

    Plugins compute inside `async def`, so their code must not share a loop with the server: health checks and other
    plugins would wait for it. So many calls run at a time; one that is given up
    keeps its slot until its code has ended.
    """

    about = "plugin"

    def __init__(
        self, plugin: LoadedPlugin, limits: Limits | None = None, *, load_seconds: float = LOAD_SECONDS
    ) -> None:
        limits = limits or Limits()
        super().__init__(plugin.spec.plugin_id, plugin.spec.route, limits, load_seconds)
        self.plugin = plugin
        self._slots = Slots(limits.concurrency, limits.queue)
        self._loop: asyncio.AbstractEventLoop
        self._entry: Entry

    @property
    def told(self) -> str:
        """For messages: `plugin 'name_1_0_0'`."""
        return f"plugin {self.plugin.spec.plugin_id!r}"

    @property
    def served(self) -> str:
        return self.plugin.spec.plugin_id

    @property
    def code(self) -> str:
        """What is loaded, in words."""
        return "realtime.py"

    @property
    def queued(self) -> int:
        """Calls that wait for a slot."""
        return self._slots.waiting

    @property
    def slots_taken(self) -> int:
        """Calls whose code runs, those that were given up included."""
        return self._slots.taken

    def operation(self) -> dict[str, Any]:
        """Description, request and replies, in OpenAPI's words."""
        return plugin_operation(self.plugin.spec)

    async def _load(self) -> None:
        """Import realtime.py and make the service."""
        self._loop = _start_loop(self.plugin.spec.plugin_id, self.limits.concurrency)
        self._entry = await LoopCall(self._loop, _build(self.plugin), lambda: None).result()

    async def _answer(self, inputs: dict[str, Any], parameters: dict[str, Any]) -> Response:
        spec = self.plugin.spec
        slot = await self._slots.acquire()
        try:
            body = await LoopCall(self._loop, _infer(self._entry, spec, inputs, parameters), slot.end).result()
        except InvalidReply as error:
            message = f"reply of plugin {spec.plugin_id!r}: {error}"
            return Failure(500, message, "SchemaValidationError", error.details).response()
        except _PluginRaised as raised:
            return raised.failure(spec).response()
        if self._slots.warm():
            # The first call has loaded the model.
            freeze_gc()
        return Response(body, media_type=JSON)

    def _problem(self, error: Exception) -> str:
        return _relative(super()._problem(error), self.plugin.spec)


def plugin_endpoints(folders: Iterable[Path], limits: Limits | None = None) -> Endpoints:
    """Read the folders' manifests; realtime.py is not touched yet."""
    limits = limits or Limits()
    routes: dict[str, PluginEndpoint] = {}
    unserved: dict[str, str] = {}
    for folder in folders:
        try:
            plugin = load_plugin(folder)
        except MixpeekError as error:
            unserved[str(folder)] = str(error)
            continue
        endpoint = PluginEndpoint(plugin, limits)
        if not plugin.spec.has_realtime:
            unserved[str(folder)] = "it has no realtime.py"
        elif endpoint.route in routes:
            other = routes[endpoint.route].plugin.spec.folder
            unserved[str(folder)] = f"{endpoint.route} is served from {other} already"
        else:
            routes[endpoint.route] = endpoint
    return Endpoints(routes, unserved, limits)


class _PluginRaised(Exception):
    """An exception left the plugin's code."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(error)
        self.error = error

    def failure(self, spec: PluginSpec) -> Failure:
        """The envelope; where it happened is told relative to the plugin."""
        place = _relative(place_in(self.error, spec.folder), spec)
        details = {"exception": type(self.error).__name__, "where": place}
        message = f"{place or 'realtime.py'}: plugin {spec.plugin_id!r} raised {describe(self.error)}"
        return Failure(500, message, "FeatureExtractionError", {key: value for key, value in details.items() if value})


async def _build(plugin: LoadedPlugin) -> Entry:
    try:
        return build_service(plugin)
    except SystemExit as error:
        # Left alone it would end the loop's thread, and nobody would ever be told.
        place = place_in(error, plugin.spec.folder)
        raise PluginLoadError("InferenceService", why=describe(error), where=place) from None


async def _infer(entry: Entry, spec: PluginSpec, inputs: dict[str, Any], parameters: dict[str, Any]) -> bytes:
    reply = await _guarded(call_service(entry, inputs, parameters), spec)
    return encode_reply(reply, spec, inputs)


async def _guarded(reply: Awaitable[Any], spec: PluginSpec) -> Any:
    try:
        return await reply
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        # It is the plugin's own: something that it waited for was cancelled.
        raise _PluginRaised(error) from None
    except (Exception, SystemExit) as error:
        _log.exception("plugin %s raised", spec.plugin_id)
        raise _PluginRaised(error) from None


def _start_loop(name: str, threads: int) -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    loop.set_default_executor(ThreadPoolExecutor(threads, thread_name_prefix=name))
    threading.Thread(target=loop.run_forever, name=name, daemon=True).start()
    return loop


def _relative(place: str, spec: PluginSpec) -> str:
    return place.removeprefix(f"{spec.folder}/")
