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
from serving.endpoint import Endpoint, State
from serving.plugin_endpoint import plugin_endpoints

SLOW = """
import time

class InferenceService:
    {prefix}def __call__(self, inputs, parameters):
        time.sleep(inputs["seconds"])
        return {{"ok": True}}
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


async def loaded(folder: Path, **options: float) -> Endpoint:
    endpoint = Endpoint(load_plugin(folder), **options)
    await endpoint.load()
    return endpoint


def body(reply: Response) -> dict[str, Any]:
    parsed: dict[str, Any] = orjson.loads(bytes(reply.body))
    return parsed


def test_call_that_takes_too_long_is_given_up(plugin: Callable[..., Path]) -> None:
    async def run() -> Response:
        endpoint = await loaded(plugin(SLOW.format(prefix="")), call_seconds=0.1)
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


def test_load_that_takes_too_long_is_a_failure(plugin: Callable[..., Path]) -> None:
    slow = "import time\n\nclass InferenceService:\n    def __init__(self):\n        time.sleep(1)\n"

    async def run() -> Endpoint:
        return await loaded(plugin(slow), load_seconds=0.1)

    endpoint = asyncio.run(run())
    assert (endpoint.state, endpoint.problem) == (State.FAILED, "realtime.py did not load within 0.1 s")


def test_service_that_exits_while_it_is_made_is_a_failure(plugin: Callable[..., Path]) -> None:
    exiting = "class InferenceService:\n    def __init__(self):\n        raise SystemExit('no licence')\n"
    endpoint = asyncio.run(loaded(plugin(exiting)))
    assert endpoint.state is State.FAILED
    assert endpoint.problem == "realtime.py:3: InferenceService: SystemExit: no licence"


def test_request_waits_for_a_plugin_that_still_loads(plugin: Callable[..., Path]) -> None:
    async def run() -> Response:
        endpoint = Endpoint(load_plugin(plugin(COUNTING)))
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
