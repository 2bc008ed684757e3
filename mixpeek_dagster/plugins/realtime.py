"""A plugin's realtime service, however its author wrote it."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

from mixpeek_dagster.errors import PluginLoadError
from mixpeek_dagster.plugins.package import describe, place_in
from mixpeek_dagster.plugins.plugin import LoadedPlugin
from mixpeek_dagster.plugins.services import BaseInferenceService

Entry = Callable[[dict[str, Any], dict[str, Any]], Any]


def build_service(plugin: LoadedPlugin) -> Entry:
    """Make the plugin's service and return its entry point, `entry(inputs, parameters)`, sync or async.

    Raises:
        PluginLoadError: realtime.py does not import, has no usable class, or its constructor raises.
    """
    factory, where = _factory(plugin)
    try:
        service = factory()
    except Exception as error:
        place = place_in(error, plugin.spec.folder) or where
        raise PluginLoadError("InferenceService", why=describe(error), where=place) from error
    return _entry(service, where)


def check_service(plugin: LoadedPlugin) -> None:
    """See that a service could be made, without making it: constructors load models.

    Raises:
        PluginLoadError: realtime.py does not import, or has no class or factory with a usable entry.
    """
    factory, where = _factory(plugin)
    if not inspect.isclass(factory):
        if callable(factory):
            return
        raise PluginLoadError("get_inference_service", why=f"it is a {type(factory).__name__}", where=where)
    own = [name for name in ("__call__", "run_inference") if _is_written(factory, name)]
    if not own:
        raise _no_entry(where)


async def call_service(entry: Entry, inputs: dict[str, Any], parameters: dict[str, Any]) -> Any:
    """Call an entry point; a sync one in a thread, so that it does not hold up other requests.

    If it is cancelled, it ends when the entry point has really ended: what runs in a thread cannot be stopped.
    """
    if inspect.iscoroutinefunction(entry) or inspect.iscoroutinefunction(getattr(entry, "__call__", None)):  # noqa: B004
        return await entry(inputs, parameters)
    # No task: SystemExit in one of its own would end the loop.
    work = asyncio.get_running_loop().run_in_executor(None, copy_context().run, entry, inputs, parameters)
    try:
        result = await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait({work})
        raise
    return await result if inspect.isawaitable(result) else result


def _factory(plugin: LoadedPlugin) -> tuple[Any, str]:
    module = plugin.realtime_module()
    where = str(plugin.spec.folder / "realtime.py")
    factory = getattr(module, "get_inference_service", None) or getattr(module, "InferenceService", None)
    if factory is None:
        fix = "Define class InferenceService or get_inference_service()"
        raise PluginLoadError("realtime.py", why="it has no InferenceService", where=where, fix=fix)
    return factory, where


def _is_written(kind: type, name: str) -> bool:
    """Whether a class has a method that is not only the base class's."""
    # Not getattr: every class can be called, by its metaclass.
    found = next((vars(base)[name] for base in kind.__mro__ if name in vars(base)), None)
    return found is not None and found is not vars(BaseInferenceService)[name]


def _entry(service: Any, where: str) -> Entry:
    if callable(service):
        return service  # type: ignore[no-any-return]
    if callable(getattr(service, "run_inference", None)):
        return service.run_inference  # type: ignore[no-any-return]
    raise _no_entry(where)


def _no_entry(where: str) -> PluginLoadError:
    fix = "Give it `async def __call__(self, inputs, parameters)`"
    return PluginLoadError("InferenceService", why="it has neither __call__ nor run_inference", where=where, fix=fix)
