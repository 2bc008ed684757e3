"""Checking a plugin: its manifest here, its code in a process of its own without our credentials."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from mixpeek_dagster.errors import PluginError
from mixpeek_dagster.plugins.folder import require_plugin_folder
from mixpeek_dagster.plugins.loading import inspect_plugin
from mixpeek_dagster.plugins.spec import PluginSpec, Problem

_TIME_LIMIT = 120
_PASSED_ON = ("PATH", "HOME", "PYTHONPATH", "VIRTUAL_ENV", "LANG", "TMPDIR", "MIXPEEK_MODELS")


@dataclass(frozen=True)
class CheckReport:
    """Everything found."""

    problems: tuple[Problem, ...]
    spec: PluginSpec | None = None
    steps: tuple[str, ...] = ()

    @property
    def errors(self) -> tuple[Problem, ...]:
        """What must be mended."""
        return tuple(problem for problem in self.problems if problem.severity == "error")

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What is doubtful."""
        return tuple(problem for problem in self.problems if problem.severity == "warning")

    @property
    def passed(self) -> bool:
        """Whether the plugin can be used."""
        return not self.errors

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        plugin = {"name": self.spec.name, "version": self.spec.version, "steps": self.steps} if self.spec else None
        return {"passed": self.passed, "plugin": plugin, "problems": [problem.to_dict() for problem in self.problems]}


def check_plugin(folder: Path) -> CheckReport:
    """Every problem of a plugin at once: manifest, imports, `build_steps`, realtime.py."""
    try:
        folder = require_plugin_folder(folder)
    except PluginError as error:
        return CheckReport((Problem("error", "not_a_plugin", f"{error.what}: {error.why}", error.fix, str(folder)),))
    spec, problems, _ = inspect_plugin(folder)
    tried = _try(folder)
    known = {(problem.file, problem.line) for problem in problems}
    extra = [problem for problem in map(_problem, tried["problems"]) if (problem.file, problem.line) not in known]
    return CheckReport(tuple(_sorted([*problems, *extra])), spec, tuple(tried["steps"]))


def _try(folder: Path) -> Mapping[str, Any]:
    """Import and build the plugin in another process, which cannot harm this one."""
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    environment |= {name: value for name, value in os.environ.items() if name.startswith("HF_") and "TOKEN" not in name}
    command = [sys.executable, "-m", "mixpeek_dagster.plugins.trial", str(folder)]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, timeout=_TIME_LIMIT, check=False)
    except subprocess.TimeoutExpired:
        return _failed(folder, "trial_timeout", f"importing and building the steps took over {_TIME_LIMIT} s")
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no output"]
        return _failed(folder, "trial_died", f"the process that imports the plugin ended with {last[0]}")
    result: Mapping[str, Any] = orjson.loads(lines[-1])
    return result


def _failed(folder: Path, code: str, message: str) -> Mapping[str, Any]:
    problem = Problem("error", code, message, "Do less at import time", str(folder / "pipeline.py"))
    return {"steps": [], "problems": [problem.to_dict()]}


def _problem(fields: Mapping[str, Any]) -> Problem:
    return Problem(**fields)


def _sorted(problems: list[Problem]) -> list[Problem]:
    return sorted(problems, key=lambda problem: (problem.file, problem.line, problem.column))
