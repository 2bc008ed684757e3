"""Loading and calling one plugin, without a server around it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
from starlette.responses import Response

from mixpeek_dagster.plugins.loading import load_plugin
from serving.endpoints.endpoint import EndpointState
from serving.endpoints.limits import Limits
from serving.endpoints.plugin_endpoint import PluginEndpoint, plugin_endpoints

SLOW = """
import time

class InferenceService:
    {prefix}def __call__(self, inputs, parameters):
        time.sleep(inputs["seconds"])
        return {{"ok": True}}
"""
GATED = """
import asyncio
import threading

class InferenceService:
    entered = threading.Semaphore(0)
    free = threading.Semaphore(0)
    cancelled = False

    async def waits(self):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            type(self).cancelled = True
            raise

    def __call__(self, inputs, parameters):
        if inputs.get("waits"):
            return self.waits()
        if inputs.get("cancels"):
            raise asyncio.CancelledError("the plugin's own")
        if not inputs.get("quick"):
            self.entered.release()
            assert self.free.acquire(timeout=20)
        return {"ok": True}
"""
COUNTING = """
import time

class InferenceService:
    loads = 0
    model = None

    def __call__(self, inputs, parameters):
        if self.model is None:
            type(self).loads += 1
            time.sleep(0.2)
            self.model = "loaded"
        return {"loads": self.loads}
"""


async def loaded(folder: Path, limits: Limits | None = None, **options: float) -> PluginEndpoint:
    endpoint = PluginEndpoint(load_plugin(folder), limits, **options)
    await endpoint.load()
    return endpoint


def body(reply: Response) -> dict[str, Any]:
    parsed: dict[str, Any] = orjson.loads(bytes(reply.body))
    return parsed


def test_call_that_takes_too_long_is_given_up(plugin: Callable[..., Path]) -> None:
    async def run() -> Response:
        endpoint = await loaded(plugin(SLOW.format(prefix="")), Limits(seconds=0.1))
        return await endpoint.answer({"seconds": 1}, {})

    reply = asyncio.run(run())
    assert reply.status_code == 504
    assert body(reply)["error"]["message"] == "plugin 'my_plugin_1_0_0' gave no reply within 0.1 s"


def test_blocking_async_code_does_not_hold_up_the_server(plugin: Callable[..., Path]) -> None:
    async def run() -> float:
        endpoint = await loaded(plugin(SLOW.format(prefix="async ")))
        call = asyncio.create_task(endpoint.answer({"seconds": 0.5}, {}))
        started = time.monotonic()
        await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        elapsed = time.monotonic() - started
        assert (await call).status_code == 200
        return elapsed

    assert asyncio.run(run()) < 0.3


def test_sync_calls_run_side_by_side(plugin: Callable[..., Path]) -> None:
    async def run() -> float:
        endpoint = await loaded(plugin(SLOW.format(prefix="")))
        await endpoint.answer({"seconds": 0}, {})
        started = time.monotonic()
        await asyncio.gather(*(endpoint.answer({"seconds": 0.3}, {}) for _ in range(4)))
        return time.monotonic() - started

    assert asyncio.run(run()) < 0.9


def test_model_is_loaded_once_when_first_calls_come_together(plugin: Callable[..., Path]) -> None:
    async def run() -> list[Response]:
        endpoint = await loaded(plugin(COUNTING))
        return await asyncio.gather(*(endpoint.answer({}, {}) for _ in range(8)))

    assert [body(reply) for reply in asyncio.run(run())] == [{"loads": 1}] * 8


def gated(endpoint: PluginEndpoint) -> Any:
    """The class of a plugin with GATED code."""
    return endpoint.plugin.realtime_module().InferenceService


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


def test_so_many_calls_run_at_a_time_and_so_many_wait(plugin: Callable[..., Path]) -> None:
    async def run() -> list[Response]:
        endpoint = await loaded(plugin(GATED), Limits(concurrency=2, queue=2))
        service = gated(endpoint)
        await endpoint.answer({"quick": True}, {})
        calls = [asyncio.create_task(endpoint.answer({}, {})) for _ in range(4)]
        for _ in range(2):
            await asyncio.to_thread(service.entered.acquire, timeout=20)
        assert not service.entered.acquire(blocking=False)
        report = endpoint.report()
        assert (report["in_flight"], report["queued"]) == (4, 2)
        refused = await endpoint.answer({}, {})
        service.free.release(4)
        return [refused, *await asyncio.gather(*calls)]

    refused, *others = asyncio.run(run())
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
    assert body(refused)["error"]["message"] == "plugin 'my_plugin_1_0_0': 2 inputs wait already"
    assert [reply.status_code for reply in others] == [200] * 4


def test_a_call_that_is_given_up_keeps_its_slot_until_its_code_ends(plugin: Callable[..., Path]) -> None:
    async def run() -> None:
        endpoint = await loaded(plugin(GATED), Limits(concurrency=1, seconds=0.2))
        service = gated(endpoint)
        assert (await endpoint.answer({}, {})).status_code == 504
        # The slot is still taken: this call is given up without having begun.
        assert (await endpoint.answer({"quick": True}, {})).status_code == 504
        assert endpoint.report()["queued"] == 0
        service.free.release()
        await until(lambda: endpoint.slots_taken == 0)
        assert (await endpoint.answer({"quick": True}, {})).status_code == 200

    asyncio.run(run())


def test_async_code_that_is_given_up_is_cancelled(plugin: Callable[..., Path]) -> None:
    async def run() -> None:
        endpoint = await loaded(plugin(GATED), Limits(concurrency=1, seconds=0.2))
        assert (await endpoint.answer({"waits": True}, {})).status_code == 504
        await until(lambda: endpoint.slots_taken == 0)
        assert gated(endpoint).cancelled

    asyncio.run(run())


def test_a_plugin_that_raises_cancelled_is_answered_for(plugin: Callable[..., Path]) -> None:
    async def run() -> Response:
        return await (await loaded(plugin(GATED))).answer({"cancels": True}, {})

    reply = asyncio.run(run())
    assert reply.status_code == 500
    assert body(reply)["error"]["details"]["exception"] == "CancelledError"


def test_a_client_that_goes_away_leaves_the_line(plugin: Callable[..., Path]) -> None:
    async def run() -> None:
        endpoint = await loaded(plugin(GATED), Limits(concurrency=1))
        service = gated(endpoint)
        held = asyncio.create_task(endpoint.answer({}, {}))
        await asyncio.to_thread(service.entered.acquire, timeout=20)
        leaving = asyncio.create_task(endpoint.answer({}, {}))
        await until(lambda: endpoint.queued == 1)
        leaving.cancel()
        await until(lambda: endpoint.queued == 0)
        service.free.release()
        assert (await held).status_code == 200
        assert endpoint.in_flight == 0

    asyncio.run(run())


def test_what_still_loads_after_the_time_limit_says_when_to_come_again(plugin: Callable[..., Path]) -> None:
    async def run() -> Response:
        endpoint = PluginEndpoint(load_plugin(plugin(COUNTING)), Limits(seconds=0.05))
        return await endpoint.answer({}, {})

    reply = asyncio.run(run())
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "5")
    assert body(reply)["error"]["message"] == "plugin 'my_plugin_1_0_0' still loads"


def test_load_that_takes_too_long_is_a_failure(plugin: Callable[..., Path]) -> None:
    slow = "import time\n\nclass InferenceService:\n    def __init__(self):\n        time.sleep(1)\n"

    async def run() -> PluginEndpoint:
        return await loaded(plugin(slow), load_seconds=0.1)

    endpoint = asyncio.run(run())
    assert (endpoint.state, endpoint.problem) == (EndpointState.FAILED, "realtime.py did not load within 0.1 s")


def test_service_that_exits_while_it_is_made_is_a_failure(plugin: Callable[..., Path]) -> None:
    exiting = "class InferenceService:\n    def __init__(self):\n        raise SystemExit('no licence')\n"
    endpoint = asyncio.run(loaded(plugin(exiting)))
    assert endpoint.state is EndpointState.FAILED
    assert endpoint.problem == "realtime.py:3: InferenceService: SystemExit: no licence"


def test_request_waits_for_a_plugin_that_still_loads(plugin: Callable[..., Path]) -> None:
    async def run() -> Response:
        endpoint = PluginEndpoint(load_plugin(plugin(COUNTING)))
        call = asyncio.create_task(endpoint.answer({}, {}))
        await asyncio.sleep(0)
        assert not call.done()
        await endpoint.load()
        return await call

    assert asyncio.run(run()).status_code == 200


def test_second_plugin_of_the_same_name_is_not_served(plugin: Callable[..., Path], tmp_path: Path) -> None:
    first = plugin(COUNTING)
    second = first.rename(tmp_path / "elsewhere")
    endpoints = plugin_endpoints([second, plugin(COUNTING)])
    assert list(endpoints.routes) == ["/my_plugin/1_0_0"]
    assert endpoints.unserved == {str(first): f"/my_plugin/1_0_0 is served from {second} already"}


def test_plugin_without_realtime_is_not_served(plugin: Callable[..., Path]) -> None:
    folder = plugin(COUNTING)
    (folder / "realtime.py").unlink()
    endpoints = plugin_endpoints([folder])
    assert endpoints.unserved == {str(folder): "it has no realtime.py"}
    assert not endpoints.ready
