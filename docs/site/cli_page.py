"""Every verb of the command, with its arguments and options."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from docs.site.markdown import code, page, table
from mixpeek_dagster.cli.main import app

_NAME = "mixpeek"


def cli_page() -> str:
    """The page."""
    return page(
        "Command",
        "`mixpeek` and its verbs. Each has `--help`, those that answer with data have `--json`. Exit codes: 0; 1 for "
        "an error, which is one sentence; 2 for words that the command does not know; 130 after Ctrl-C.",
        *(_section(path, command, context) for path, command, context in commands()),
    )


def commands() -> Iterator[tuple[str, Any, Any]]:
    """Every group and verb, as typed, with the command and the context to ask it in."""
    command = typer.main.get_command(app)
    context = command.make_context(_NAME, [], resilient_parsing=True)
    yield from _below(_NAME, command, context)


def _below(path: str, group: Any, context: Any) -> Iterator[tuple[str, Any, Any]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        inner = command.make_context(name, [], parent=context, resilient_parsing=True)
        yield f"{path} {name}", command, inner
        if hasattr(command, "list_commands"):
            yield from _below(f"{path} {name}", command, inner)


def _section(path: str, command: Any, context: Any) -> str:
    deep = "#" * len(path.split())
    parts = [f"{deep} {path}", command.help or ""]
    if not hasattr(command, "list_commands"):
        rows = [_row(option, context) for option in command.params if not option.hidden]
        parts.append(table(("argument or option", "what it is for"), rows) if rows else "")
    return "\n\n".join(part.strip() for part in parts if part.strip())


def _row(option: Any, context: Any) -> tuple[str, str]:
    names, text = option.get_help_record(context)
    return code(names), text
