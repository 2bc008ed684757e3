"""Checking a plugin, on a laptop and on a server alike: everything that is wrong with it, at once."""

from __future__ import annotations

import ast
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mixpeek_dagster.errors import ArchiveError, PluginError
from mixpeek_dagster.plugins.archive import ArchiveLimits, packable, unpack
from mixpeek_dagster.plugins.checks.broken import broken_calls
from mixpeek_dagster.plugins.checks.columns import column_problems
from mixpeek_dagster.plugins.checks.dimensions import dimension_problems
from mixpeek_dagster.plugins.checks.imports import import_problems
from mixpeek_dagster.plugins.checks.lint import lint
from mixpeek_dagster.plugins.checks.sandbox import SandboxLimits, Trial, try_plugin
from mixpeek_dagster.plugins.folder import manifest_path, plugin_files, require_plugin_folder
from mixpeek_dagster.plugins.security.scanner import PluginSecurityScanner
from mixpeek_dagster.plugins.spec import Problem


@dataclass(frozen=True)
class CheckReport:
    """Everything found.

    Attributes:
        problems: errors and warnings, by place.
        manifest: what the manifest says, JSON-ready; None if it could not be read or the code was not run.
        steps: names of the steps that it builds with default parameters.
        security_passed: whether the security scan found no error.
    """

    problems: tuple[Problem, ...]
    manifest: Mapping[str, Any] | None = None
    steps: tuple[str, ...] = ()
    security_passed: bool = False

    @property
    def errors(self) -> tuple[Problem, ...]:
        """What must be mended."""
        return tuple(problem for problem in self.problems if problem.severity == "error")

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What does not keep a plugin from being registered."""
        return tuple(problem for problem in self.problems if problem.severity == "warning")

    @property
    def passed(self) -> bool:
        """Whether the plugin can be used."""
        return not self.errors

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        plugin = {**self.manifest, "steps": list(self.steps)} if self.manifest else None
        problems = [problem.to_dict() for problem in self.problems]
        return {
            "passed": self.passed,
            "security_scan_passed": self.security_passed,
            "plugin": plugin,
            "problems": problems,
        }


def check_plugin(
    source: Path, *, limits: ArchiveLimits | None = None, sandbox: SandboxLimits | None = None, strict: bool = False
) -> CheckReport:
    """Check a plugin's folder or zip: archive, security, manifest, imports, steps, realtime service, pitfalls.

    Nothing of the plugin is run if the security scan finds an error.

    Args:
        source: a folder, or a zip of one.
        limits: what a zip may have, or what the folder may have to become one.
        sandbox: what the plugin's code may use while it is tried.
        strict: whether what the security scan cannot decide is an error.
    """
    limits, sandbox = limits or ArchiveLimits(), sandbox or SandboxLimits()
    if not source.is_file():
        return _check_folder(source, limits, sandbox, strict)
    try:
        with _unpacked(source, limits) as folder:
            report = _check_folder(folder, limits, sandbox, strict)
            return replace(report, problems=tuple(problem.relative_to(folder) for problem in report.problems))
    except ArchiveError as error:
        problem = Problem("error", error.code.value, error.message, error.fix, str(source))
        return CheckReport((problem,))


def declared_identity(source: Path, limits: ArchiveLimits | None = None) -> tuple[str, str]:
    """Name and version that a plugin's manifest writes down, read without running it.

    Raises:
        PluginError: it is no plugin, or they are not written as plain texts.
        ArchiveError: the zip cannot be unpacked safely.
    """
    if source.is_file():
        with _unpacked(source, limits or ArchiveLimits()) as folder:
            return declared_identity(folder)
    path = manifest_path(require_plugin_folder(source))
    values = _literals(path)
    metadata = values.get("metadata")
    known = {**values, **(metadata if isinstance(metadata, dict) else {})}
    name, version = known.get("feature_extractor_name", known.get("name")), known.get("version")
    if not isinstance(name, str) or not isinstance(version, str):
        why = "its feature_extractor_name and version are not written as plain texts"
        raise PluginError(f"manifest of {source.name!r}", why=why, fix="Run `mixpeek plugin check`", where=str(path))
    return name, version


def _check_folder(folder: Path, limits: ArchiveLimits, sandbox: SandboxLimits, strict: bool) -> CheckReport:
    try:
        folder = require_plugin_folder(folder)
        packable(folder, limits)
    except ArchiveError as error:
        place = str(folder / error.where) if error.where else str(folder)
        return CheckReport((Problem("error", error.code.value, error.why, error.fix, place),))
    except PluginError as error:
        return CheckReport((Problem("error", "not_a_plugin", error.message, error.fix, str(folder)),))
    scan = PluginSecurityScanner(strict_mode=strict).scan_directory(folder)
    found = [
        Problem(v.severity, v.code, v.message, v.fix, str(folder / v.filename), v.line, v.column)
        for v in scan.violations
    ]
    trees = dict(_trees(folder))
    trial = try_plugin(folder, limits=sandbox) if scan.passed else Trial()
    found += trial.problems
    found += import_problems(folder, trees)
    code = {path: tree for path, tree in trees.items() if path != manifest_path(folder)}
    found += [*lint(code), *broken_calls(code)]
    if trial.manifest is not None:
        found += column_problems(folder, trees, trial.manifest)
        found += dimension_problems(folder, trees, trial.manifest)
    return CheckReport(tuple(_without_echoes(found)), trial.manifest, trial.steps, scan.passed)


def _trees(folder: Path) -> Iterator[tuple[Path, ast.Module]]:
    for path in plugin_files(folder):
        if path.suffix == ".py":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    yield path, ast.parse(path.read_bytes())
                except (SyntaxError, ValueError, MemoryError, RecursionError):
                    continue  # the security scan has said so


def _without_echoes(problems: Iterable[Problem]) -> list[Problem]:
    """In order of their places, without what another check says better of the same line."""
    first: dict[tuple[str, int], Problem] = {}
    kept = []
    for problem in sorted(problems, key=lambda p: (p.severity, _RANK.get(p.code, 0))):
        other = first.setdefault((problem.file, problem.line), problem)
        is_echo = other is not problem and problem.code in _RANK and other.code != problem.code
        if not is_echo and problem not in kept:
            kept.append(problem)
    return sorted(kept, key=lambda problem: (problem.file, problem.line, problem.column))


# Of an import that fails, what the statement says is clearer than how the run ended.
_RANK = {"import_unknown": 3, "plugin_load_failed": 2, "pipeline_invalid": 2}


@contextmanager
def _unpacked(archive: Path, limits: ArchiveLimits) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="mixpeek-check-") as work:
        folder = Path(work) / archive.stem
        unpack(archive, folder, limits)
        yield folder


def _literals(path: Path) -> dict[str, Any]:
    values = {}
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return {}
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            value = statement.value
            pairs = zip(value.keys, value.values, strict=True) if isinstance(value, ast.Dict) else ()
            # What else a dict holds need not be written down plainly.
            items = [(_literal(key), _literal(item)) for key, item in pairs if key is not None]
            read = {key: item for key, item in items if isinstance(key, str)} if items else _literal(value)
            values[statement.targets[0].id] = read
    return values


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
