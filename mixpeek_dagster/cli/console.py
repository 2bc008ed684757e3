"""How the command talks: tables, verdicts and errors, for people or as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mixpeek_dagster.errors import MixpeekError

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

_COUNTERS = {
    "source_documents_fetched": "rows fetched from the batch",
    "documents_after_source_filter": "left after the source filter",
    "documents_missing_input_fields": "without a required input field",
    "documents_reused": "unchanged, documents kept",
    "documents_submitted_to_engine": "went through the steps",
    "documents_filtered": "filtered out",
    "documents_failed": "failed",
    "documents_expected": "documents they should make",
    "documents_written": "documents counted in Qdrant",
}


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    out.file.write(orjson.dumps(value, default=str, option=orjson.OPT_INDENT_2).decode() + "\n")


def print_error(error: MixpeekError) -> None:
    """One error: what and why, where, what to do, and its code."""
    place = f"[dim]{escape(error.where)}:[/] " if error.where else ""
    err.print(f"[bold red]error[/] {place}{escape(error.message)}", soft_wrap=True)
    if error.fix:
        err.print(f"  [green]fix[/]  {escape(error.fix)}", soft_wrap=True)
    err.print(f"  [dim]code {error.code.value}[/]")


def ledger_table(ledgers: Mapping[str, Mapping[str, int]]) -> Table:
    """The row ledger of one or more runs, side by side."""
    table = Table(title="Row ledger", title_justify="left", header_style="bold")
    table.add_column("counter", no_wrap=True)
    for name in ledgers:
        table.add_column(name, justify="right")
    table.add_column("meaning", style="dim", overflow="fold")
    for counter, meaning in _COUNTERS.items():
        table.add_row(counter, *(str(ledger.get(counter, "-")) for ledger in ledgers.values()), meaning)
    return table


def checks_table(checks: Mapping[str, Sequence[Mapping[str, Any]]]) -> Table:
    """What each check of each run found."""
    table = Table(title="Checks", title_justify="left", header_style="bold")
    for column in ("collection", "check", "verdict", "what it found"):
        table.add_column(column, overflow="fold")
    for name, found in checks.items():
        for check in found:
            verdict = "[green]passed[/]" if check["passed"] else _failed(check["severity"])
            table.add_row(name, check["name"], verdict, escape(check["message"]))
    return table


def hits_table(hits: Sequence[Mapping[str, Any]]) -> Table:
    """Found documents."""
    table = Table(header_style="bold", title_justify="left")
    table.add_column("score", justify="right")
    table.add_column("document", overflow="fold")
    table.add_column("snippet", overflow="fold", style="dim")
    for hit in hits:
        table.add_row(f"{hit['score']:.3f}", escape(hit["file"]), escape(" ".join(hit["snippet"].split())[:160]))
    return table


def _failed(severity: str) -> str:
    return "[yellow]warning[/]" if severity == "WARN" else "[red]failed[/]"
