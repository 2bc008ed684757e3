"""A loaded plugin: what its manifest says, and the steps that it builds."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from mixpeek_dagster.errors import MixpeekError, PipelineError, PluginError
from mixpeek_dagster.plugins.package import describe, import_plugin_module, place_in
from mixpeek_dagster.plugins.parameters import parameter_problems
from mixpeek_dagster.plugins.pipeline import Step, as_step, name_apart
from mixpeek_dagster.plugins.request import Container, ExtractorRequest
from mixpeek_dagster.plugins.spec import PluginSpec


@dataclass(frozen=True)
class BuiltPipeline:
    """What `build_steps` gave."""

    steps: tuple[Step, ...]
    prepare: Callable[..., Any] | None = None


@dataclass(frozen=True)
class LoadedPlugin:
    """A plugin whose code was imported under a package name of its own."""

    spec: PluginSpec
    package: str

    def validate_parameters(self, parameters: Mapping[str, Any]) -> None:
        """Hold a collection's parameters against the manifest's parameter_schema.

        Raises:
            PluginError: names each field that is wrong.
        """
        wrong = parameter_problems(self.spec.parameter_schema, parameters)
        if wrong:
            raise PluginError(f"parameters of plugin {self.spec.plugin_id!r}", why="; ".join(wrong))

    def request(
        self, parameters: Mapping[str, Any], *, collection_id: str = "", namespace_id: str = ""
    ) -> ExtractorRequest:
        """Who asks the plugin for steps, with which parameters."""
        return ExtractorRequest.of(
            feature_extractor_name=self.spec.name,
            version=self.spec.version,
            parameters=dict(parameters),
            collection_id=collection_id,
            namespace_id=namespace_id,
        )

    def build_pipeline(
        self,
        parameters: Mapping[str, Any],
        *,
        collection_id: str = "",
        namespace_id: str = "",
        dataset_size: int | None = None,
    ) -> BuiltPipeline:
        """The steps for a collection's parameters.

        Raises:
            PluginError: the parameters are wrong or `build_steps` fails.
        """
        self.validate_parameters(dict(parameters))
        request = self.request(parameters, collection_id=collection_id, namespace_id=namespace_id)
        return self.build_steps(request, dataset_size=dataset_size)

    def build_steps(
        self,
        request: ExtractorRequest,
        container: Any = None,
        *,
        dataset_size: int | None = None,
        content_flags: Mapping[str, Any] | None = None,
    ) -> BuiltPipeline:
        """Call the plugin's `build_steps` with the arguments that it names.

        Raises:
            PluginLoadError: pipeline.py does not import.
            PipelineError: build_steps is missing, raises, or gives no usable steps.
        """
        module = import_plugin_module(self.package, "pipeline", self.spec.folder)
        function = getattr(module, "build_steps", None) or getattr(module, "extract", None)
        if function is None:
            raise PipelineError(
                "build_steps", why="pipeline.py does not define it", where=str(self.spec.folder / "pipeline.py")
            )
        arguments: dict[str, Any] = {
            "extractor_request": request,
            "container": container if container is not None else Container(),
            "base_steps": [],
            "dataset_size": dataset_size,
            "content_flags": dict(content_flags or {}),
        }
        try:
            result = function(**_named(function, arguments))
        except MixpeekError:
            raise
        except Exception as error:
            raise PipelineError(
                "build_steps", why=describe(error), where=place_in(error, self.spec.folder), fix="Mend pipeline.py"
            ) from error
        return _built(result, self.spec)

    def realtime_module(self) -> ModuleType:
        """The plugin's realtime.py, imported.

        Raises:
            PluginLoadError: it does not import or is not there.
        """
        return import_plugin_module(self.package, "realtime", self.spec.folder)


def _named(function: Callable[..., Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    parameters = inspect.signature(function).parameters
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        return dict(arguments)
    return {name: value for name, value in arguments.items() if name in parameters}


def _built(result: Any, spec: PluginSpec) -> BuiltPipeline:
    where = str(spec.folder / "pipeline.py")
    if isinstance(result, Mapping):
        steps, prepare = result.get("steps"), result.get("prepare")
    else:
        steps, prepare = getattr(result, "steps", None), getattr(result, "prepare", None)
    if not isinstance(steps, list | tuple):
        got = f"it returned a {type(result).__name__}"
        raise PipelineError("build_steps", why=got, fix='Return {"steps": [...]}', where=where)
    built = name_apart(as_step(step) for step in steps if getattr(step, "enabled", True))
    if not built:
        why = "it returned no step, or only disabled ones, for these parameters"
        raise PipelineError("build_steps", why=why, fix="Enable at least one step", where=where)
    if prepare is not None and not callable(prepare):
        raise PipelineError("prepare", why=f"it is a {type(prepare).__name__}, a function is needed", where=where)
    return BuiltPipeline(tuple(built), prepare)
