"""A plugin's realtime service, however its author wrote it."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

from mixpeek_dagster.errors import PluginLoadError
from mixpeek_dagster.plugins.loading import Plugin, describe, place_in

Entry = Callable[[dict[str, Any], dict[str, Any]], Any]


def build_service(plugin: Plugin) -> Entry:
    """Make the plugin's service and return its entry point, `entry(inputs, parameters)`, sync or async.

    Raises:
        PluginLoadError: realtime.py does not import, has no usable class, or its constructor raises.
    """
    module = plugin.realtime_module()
    factory = getattr(module, "get_inference_service", None) or getattr(module, "InferenceService", None)
    where = str(plugin.spec.folder / "realtime.py")
    if factory is None:
        fix = "Define class InferenceService or get_inference_service()"
        raise PluginLoadError("realtime.py", why="it has no InferenceService", where=where, fix=fix)
    try:
        service = factory()
    except Exception as error:
        place = place_in(error, plugin.spec.folder) or where
        raise PluginLoadError("InferenceService", why=describe(error), where=place) from error
    return _entry(service, where)


async def call_service(entry: Entry, inputs: dict[str, Any], parameters: dict[str, Any]) -> Any:
    """Call an entry point; a sync one in a thread, so that it does not hold up other requests."""
    if inspect.iscoroutinefunction(entry) or inspect.iscoroutinefunction(getattr(entry, "__call__", None)):  # noqa: B004
        return await entry(inputs, parameters)
    result = await asyncio.to_thread(entry, inputs, parameters)
    return await result if inspect.isawaitable(result) else result


def _entry(service: Any, where: str) -> Entry:
    if callable(service):
        return service  # type: ignore[no-any-return]
    if callable(getattr(service, "run_inference", None)):
        return service.run_inference  # type: ignore[no-any-return]
    fix = "Give it `async def __call__(self, inputs, parameters)`"
    raise PluginLoadError("InferenceService", why="it has neither __call__ nor run_inference", where=where, fix=fix)
