"""`mixpeek plugin`: plugins on the laptop."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from mixpeek_dagster.cli.console import out, print_json
from mixpeek_dagster.plugins.check import CheckReport, check_plugin

app = typer.Typer(help="Check plugins.", no_args_is_help=True)
_COLOURS = {"error": "red", "warning": "yellow"}


@app.callback()
def plugins() -> None:
    """Check plugins."""


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(help="Plugin folder.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print every problem of a plugin with its place and its fix; exit code 1 if one is an error."""
    report = check_plugin(folder)
    if as_json:
        print_json(report.to_dict())
    else:
        print_report(report)
    raise typer.Exit(0 if report.passed else 1)


def print_report(report: CheckReport) -> None:
    """The report for people."""
    for problem in report.problems:
        place = f"{problem.file}:{problem.line}:{problem.column}"
        out.print(
            f"{escape(place)} [{_COLOURS[problem.severity]}]{problem.severity}[/] [dim]{problem.code}[/] "
            f"{escape(problem.message)}",
            soft_wrap=True,
        )
        if problem.fix:
            out.print(f"  [green]fix[/]  {escape(problem.fix)}", soft_wrap=True)
    if report.spec and report.passed:
        spec = report.spec
        vectors = ", ".join(f"{f.name} {f.dimension}-d {f.distance.value.lower()}" for f in spec.features) or "none"
        steps = " -> ".join(report.steps)
        out.print(f"[green]ok[/]  {spec.name} {spec.version}: vectors {escape(vectors)}; steps {escape(steps)}")
    errors, warnings = len(report.errors), len(report.warnings)
    out.print(f"[dim]{errors} errors, {warnings} warnings[/]")
