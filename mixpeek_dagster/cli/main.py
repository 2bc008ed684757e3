"""`mixpeek`: the command's verbs."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from mixpeek_dagster.cli.console import err, print_error
from mixpeek_dagster.errors import MixpeekError

_VERBS = {
    "demo": "demo.story:demo",
    "up": "up:up",
    "ingest": "ingest:ingest",
    "materialize": "materialize:materialize",
    "search": "search:search",
    "infer": "infer:infer",
    "doctor": "doctor:doctor",
    "api": "api:api",
    "keys": "keys:app",
    "plugin": "plugin:app",
    "models": "models:app",
    "bucket": "bucket:app",
    "batch": "batch:app",
    "collection": "collection:app",
}
"""Each verb, or group of verbs, by module and name: only what is asked for is imported."""


class Verbs(TyperGroup):
    """The verbs, imported when they are needed."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names."""
        return list(_VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A verb by name; None if there is none."""
        if cmd_name not in _VERBS:
            return None
        module, _, name = _VERBS[cmd_name].partition(":")
        found = getattr(importlib.import_module(f"mixpeek_dagster.cli.{module}"), name)
        around = typer.Typer()
        if isinstance(found, typer.Typer):
            around.add_typer(found, name=cmd_name)
        else:
            around.command(cmd_name)(found)
        return typer.main.get_group(around).commands[cmd_name]


app = typer.Typer(
    cls=Verbs,
    help="Run Mixpeek-style plugins on your own Dagster, Qdrant, MongoDB, S3 and BentoML.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.callback()
def _mixpeek() -> None:
    """Run Mixpeek-style plugins on your own Dagster, Qdrant, MongoDB, S3 and BentoML."""


def run() -> None:
    """Entry point: a user's mistake ends in one clear error and exit code 1."""
    try:
        app()
    except MixpeekError as error:
        print_error(error)
        sys.exit(1)
    except KeyboardInterrupt:
        err.print("interrupted")
        sys.exit(130)
