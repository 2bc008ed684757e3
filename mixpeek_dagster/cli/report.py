"""What a check found, for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rich.markup import escape

from mixpeek_dagster.cli.console import out
from mixpeek_dagster.plugins.checks.check import CheckReport

_COLOURS = {"error": "red", "warning": "yellow"}


def print_report(report: CheckReport) -> None:
    """Every problem, then what the plugin is, then how many problems there are."""
    print_problems(problem.to_dict() for problem in report.problems)
    if report.manifest and report.passed:
        plugin = report.manifest
        vectors = ", ".join(f"{f['name']} {f['dimension']}-d {f['distance'].lower()}" for f in plugin["features"])
        steps = " -> ".join(report.steps)
        summary = f"{plugin['name']} {plugin['version']}: vectors {vectors or 'none'}; steps {steps}"
        out.print(f"[green]ok[/]  {escape(summary)}", soft_wrap=True)
    counts = (_count(len(report.errors), "error"), _count(len(report.warnings), "warning"))
    out.print(f"[dim]{', '.join(counts)}[/]")


def print_problems(problems: Iterable[Mapping[str, Any]]) -> None:
    """One problem a line, its fix below it."""
    for problem in problems:
        place = f"{_short(problem['file'])}:{problem['line']}:{problem['column']}"
        out.print(
            f"{escape(place)} [{_COLOURS[problem['severity']]}]{problem['severity']}[/] "
            f"[dim]{problem['code']}[/] {escape(problem['message'])}",
            soft_wrap=True,
        )
        if problem["fix"]:
            out.print(f"  [green]fix[/]  {escape(problem['fix'])}", soft_wrap=True)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _short(file: str) -> str:
    path, here = Path(file), Path.cwd()
    return path.relative_to(here).as_posix() if path.is_relative_to(here) else file
