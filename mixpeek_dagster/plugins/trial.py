"""The process in which a plugin is tried: prints its steps and problems as one line of JSON."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from mixpeek_dagster.errors import MixpeekError
from mixpeek_dagster.plugins.loading import Plugin, load_plugin
from mixpeek_dagster.plugins.realtime import build_service
from mixpeek_dagster.plugins.request import ExtractorRequest
from mixpeek_dagster.plugins.spec import Problem


def main(folder: Path) -> None:
    """Load the plugin, build its steps with default parameters, and make its realtime service."""
    result: dict[str, Any] = {"steps": [], "problems": []}
    try:
        plugin = load_plugin(folder)
    except MixpeekError:
        # The checking process has read the same manifest and says what is wrong with it.
        pass
    else:
        result["problems"] = [problem.to_dict() for problem in _problems(plugin, result["steps"])]
    sys.stdout.write("\n" + orjson.dumps(result).decode() + "\n")


def _problems(plugin: Plugin, steps: list[str]) -> Iterator[Problem]:
    folder = plugin.spec.folder
    try:
        request = ExtractorRequest.of(
            parameters={}, feature_extractor_name=plugin.spec.name, version=plugin.spec.version
        )
        steps.extend(step.name for step in plugin.build_steps(request).steps)
    except MixpeekError as error:
        yield _problem(error, folder / "pipeline.py")
    if plugin.spec.has_realtime:
        try:
            build_service(plugin)
        except MixpeekError as error:
            yield _problem(error, folder / "realtime.py")


def _problem(error: MixpeekError, file: Path) -> Problem:
    path, _, line = error.where.rpartition(":")
    place = (path, int(line)) if line.isdigit() else (error.where or str(file), 1)
    return Problem("error", error.code.value, f"{error.what}: {error.why}", error.fix, *place)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
