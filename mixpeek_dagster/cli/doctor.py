"""`mixpeek doctor`: what is configured, reachable and missing."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from mixpeek_dagster.cli.console import out, print_json
from mixpeek_dagster.operations.diagnosis import Finding, diagnose
from mixpeek_dagster.settings import Settings

_COLOURS = {"ok": "green", "off": "dim", "missing": "yellow", "failed": "red"}


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Say what is configured, reachable and missing; exit code 1 if something that is configured does not work."""
    findings = diagnose(Settings.load())
    if as_json:
        print_json([finding.to_dict() for finding in findings])
    else:
        out.print(_table(findings))
    raise typer.Exit(1 if any(finding.state == "failed" for finding in findings) else 0)


def _table(findings: list[Finding]) -> Table:
    table = Table(header_style="bold")
    for column in ("what", "state", "found", "what to do"):
        table.add_column(column, overflow="fold")
    for finding in findings:
        colour = _COLOURS[finding.state]
        table.add_row(finding.name, f"[{colour}]{finding.state}[/]", escape(finding.detail), escape(finding.fix))
    return table
