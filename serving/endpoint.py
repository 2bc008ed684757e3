"""One plugin's realtime code: loaded once, called per request."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from typing import Any, TypeVar

from starlette.responses import Response

from mixpeek_dagster.errors import MixpeekError, PluginLoadError
from mixpeek_dagster.plugins.loading import Plugin, describe, place_in
from mixpeek_dagster.plugins.realtime import Entry, build_service, call_service
from mixpeek_dagster.plugins.spec import PluginSpec
from serving.envelope import JSON, Failure
from serving.reply import InvalidReply, encode_reply
from serving.routes import route_of

LOAD_SECONDS = 300.0
CALL_SECONDS = 300.0
_THREADS = 16
_log = logging.getLogger(__name__)
T = TypeVar("T")


class State(StrEnum):
    """How far an endpoint is."""

    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


class Endpoint:
    """A plugin's InferenceService, in an event loop and threads of its own.

    Plugins compute inside `async def`, so their code must not share a loop with the server: health checks and other
    plugins would wait for it.
    """

    def __init__(
        self, plugin: Plugin, *, load_seconds: float = LOAD_SECONDS, call_seconds: float = CALL_SECONDS
    ) -> None:
        self.plugin = plugin
        self.route = route_of(plugin.spec)
        self.state = State.LOADING
        self.problem = ""
        self._load_seconds = load_seconds
        self._call_seconds = call_seconds
        self._settled = asyncio.Event()
        self._first_call = asyncio.Lock()
        self._warm = False
        self._loop: asyncio.AbstractEventLoop
        self._entry: Entry

    def report(self) -> dict[str, str]:
        """State, plugin and problem, JSON-ready."""
        about = {"state": self.state.value, "plugin": self.plugin.spec.plugin_id, "problem": self.problem}
        return {key: value for key, value in about.items() if value}

    async def load(self) -> None:
        """Import realtime.py and make the service; a failure is kept, not raised."""
        self._loop = _start_loop(self.plugin.spec.plugin_id)
        try:
            async with asyncio.timeout(self._load_seconds):
                self._entry = await self._run(_build(self.plugin))
            self.state = State.READY
        except MixpeekError as error:
            self._fail(_told(error, self.plugin.spec))
        except TimeoutError:
            self._fail(f"realtime.py did not load within {self._load_seconds:g} s")
        finally:
            self._settled.set()

    async def answer(self, inputs: dict[str, Any], parameters: dict[str, Any]) -> Response:
        """The plugin's reply, or an envelope that says why there is none."""
        await self._settled.wait()
        spec = self.plugin.spec
        if self.state is State.FAILED:
            return Failure(503, f"plugin {spec.plugin_id!r} could not be loaded: {self.problem}").response()
        try:
            async with asyncio.timeout(self._call_seconds):
                return Response(await self._call(inputs, parameters), media_type=JSON)
        except TimeoutError:
            return Failure(504, f"plugin {spec.plugin_id!r} gave no reply within {self._call_seconds:g} s").response()
        except InvalidReply as error:
            message = f"reply of plugin {spec.plugin_id!r}: {error}"
            return Failure(500, message, "SchemaValidationError", error.details).response()
        except _PluginRaised as raised:
            return raised.failure(spec).response()

    async def _call(self, inputs: dict[str, Any], parameters: dict[str, Any]) -> bytes:
        if not self._warm:
            # The first call loads the model in most plugins: two at once would load it twice.
            async with self._first_call:
                if not self._warm:
                    body = await self._infer(inputs, parameters)
                    self._warm = True
                    return body
        return await self._infer(inputs, parameters)

    async def _infer(self, inputs: dict[str, Any], parameters: dict[str, Any]) -> bytes:
        return await self._run(_infer(self._entry, self.plugin.spec, inputs, parameters))

    async def _run(self, work: Coroutine[Any, Any, T]) -> T:
        """Await what runs in the plugin's loop."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    def _fail(self, problem: str) -> None:
        self.state, self.problem = State.FAILED, problem
        _log.error("plugin %s cannot be served: %s", self.plugin.spec.plugin_id, problem)


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


async def _build(plugin: Plugin) -> Entry:
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
    except (Exception, SystemExit) as error:
        _log.exception("plugin %s raised", spec.plugin_id)
        raise _PluginRaised(error) from None


def _start_loop(name: str) -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    loop.set_default_executor(ThreadPoolExecutor(_THREADS, thread_name_prefix=name))
    threading.Thread(target=loop.run_forever, name=name, daemon=True).start()
    return loop


def _told(error: MixpeekError, spec: PluginSpec) -> str:
    place = f"{_relative(error.where, spec)}: " if error.where else ""
    remedy = f". {error.fix}" if error.fix else ""
    return f"{place}{error.what}: {error.why}{remedy}"


def _relative(place: str, spec: PluginSpec) -> str:
    return place.removeprefix(f"{spec.folder}/")
