"""The process in which a plugin is tried: its manifest is run, its steps are built, its realtime service is looked at.

It has no credentials, little memory and little time, and says what it found on a pipe that the plugin's prints
do not reach.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from mixpeek_dagster.errors import MixpeekError
from mixpeek_dagster.plugins.folder import manifest_path
from mixpeek_dagster.plugins.loading import inspect_plugin
from mixpeek_dagster.plugins.parameters import secret_like
from mixpeek_dagster.plugins.plugin import LoadedPlugin
from mixpeek_dagster.plugins.problems import Problems
from mixpeek_dagster.plugins.realtime import check_service
from mixpeek_dagster.plugins.source_map import SourceMap
from mixpeek_dagster.plugins.spec import PluginSpec, Problem


def main(folder: Path, parameters: Mapping[str, Any], channel: int, limits: Mapping[str, int]) -> None:
    """Try the plugin and write what was found, as JSON, to the file descriptor `channel`."""
    for name, most in limits.items():
        kind = getattr(resource, name)
        _, hard = resource.getrlimit(kind)
        resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
    plugin, problems = inspect_plugin(folder)
    result: dict[str, Any] = {"manifest": None, "steps": []}
    if plugin is not None:
        problems += _secret_parameters(plugin.spec)
        result["manifest"] = describe_manifest(plugin.spec)
        problems += _code_problems(plugin, parameters, result["steps"])
    result["problems"] = [problem.to_dict() for problem in problems]
    with open(channel, "wb") as pipe:
        pipe.write(orjson.dumps(result, default=str))


def describe_manifest(spec: PluginSpec) -> dict[str, Any]:
    """What a manifest says, JSON-ready, as a plugin's record keeps it."""
    return {
        "name": spec.name,
        "version": spec.version,
        "description": spec.description,
        "category": spec.category,
        "features": [{"name": f.name, "dimension": f.dimension, "distance": f.distance.value} for f in spec.features],
        "input_fields": {f.name: {"type": f.type, "required": f.required} for f in spec.input_fields.values()},
        "output_fields": dict(spec.output_fields),
        "parameter_schema": dict(spec.parameter_schema) if spec.parameter_schema is not None else None,
        "supported_input_types": list(spec.supported_input_types),
        "dependencies": list(spec.dependencies),
        "feature_uri": spec.feature_uri,
        "position_fields": list(spec.position_fields),
        "has_realtime": spec.has_realtime,
    }


def _secret_parameters(spec: PluginSpec) -> list[Problem]:
    path = manifest_path(spec.folder)
    problems = Problems(path, SourceMap.of(path))
    for name in (spec.parameter_schema or {}).get("properties", {}):
        if secret_like(name):
            message = f"the parameter {name!r} looks like a secret; parameters are kept and shown in clear"
            problems.warn("secret_parameter", message, "Read it from os.environ", problems.at.name("parameter_schema"))
    return problems.found


def _code_problems(plugin: LoadedPlugin, parameters: Mapping[str, Any], steps: list[str]) -> Iterator[Problem]:
    folder = plugin.spec.folder
    try:
        steps.extend(step.name for step in plugin.build_steps(plugin.request(parameters)).steps)
    except MixpeekError as error:
        yield _problem(error, folder / "pipeline.py")
    if plugin.spec.has_realtime:
        try:
            check_service(plugin)
        except MixpeekError as error:
            yield _problem(error, folder / "realtime.py")


def _problem(error: MixpeekError, file: Path) -> Problem:
    path, _, line = error.where.rpartition(":")
    place = (path, int(line)) if line.isdigit() else (error.where or str(file), 1)
    return Problem("error", error.code.value, error.message, error.fix, *place)


if __name__ == "__main__":
    task = orjson.loads(sys.argv[1])
    main(Path(task["folder"]), task["parameters"], task["channel"], task["limits"])
    # Threads that the plugin left behind must not keep the process.
    os._exit(0)
