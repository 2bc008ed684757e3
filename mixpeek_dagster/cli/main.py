"""`mixpeek`: the command's verbs."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from mixpeek_dagster.cli.console import err, print_error
from mixpeek_dagster.errors import MixpeekError
from mixpeek_dagster.extras import not_installed


@dataclass(frozen=True)
class Verb:
    """A verb, or a group of verbs, that is imported when it is asked for.

    Args:
        place: its module and name.
        summary: its line in the list of verbs: the first paragraph of its own help.
    """

    place: str
    summary: str

    def load(self, name: str) -> Any:
        """Import the verb's module and make a click command of what it holds."""
        module, _, attribute = self.place.partition(":")
        found = getattr(importlib.import_module(f"mixpeek_dagster.cli.{module}"), attribute)
        around = typer.Typer()
        if isinstance(found, typer.Typer):
            around.add_typer(found, name=name)
        else:
            around.command(name)(found)
        return typer.main.get_group(around).commands[name]


VERBS = {
    "demo": Verb(
        "demo.story:demo",
        "Check a plugin, ingest real files, materialize, search, serve: all on this machine, no server needed.",
    ),
    "up": Verb("up:up", "Start everything on this home folder and stay; one Ctrl-C stops it all."),
    "ingest": Verb("ingest:ingest", "Upload files to a bucket; they become one batch, a partition in Dagster."),
    "materialize": Verb(
        "materialize:materialize", "Make a collection's documents of a batch; exit code 1 if the run is red."
    ),
    "search": Verb("search:search", "Search by words or by a file, with the collection's own plugin as the embedder."),
    "infer": Verb("infer:infer", "Ask a built-in service or a deployed plugin in realtime."),
    "doctor": Verb(
        "doctor:doctor",
        "Say what is configured, reachable and missing; exit code 1 if something that is configured does not work.",
    ),
    "api": Verb("api:api", "Serve the REST API until Ctrl-C."),
    "keys": Verb("keys:app", "Create, list and revoke API keys."),
    "plugin": Verb("plugin:app", "Write, check, push and deploy plugins."),
    "models": Verb("models:app", "Add, list, pull and remove models; upload those of a namespace."),
    "bucket": Verb("bucket:app", "Make buckets and watch what lands in them."),
    "batch": Verb("batch:app", "Look at batches and run them again."),
    "collection": Verb("collection:app", "Create, list and delete collections."),
}


class Verbs(TyperGroup):
    """The verbs, imported when they are needed."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A verb by name; None if there is none."""
        return VERBS[cmd_name].load(cmd_name) if cmd_name in VERBS else None

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The list of verbs; none is imported for it."""
        contents = _Contents(name=self.name, params=self.params, help=self.help, rich_markup_mode=self.rich_markup_mode)
        contents.format_help(ctx, formatter)


class _Contents(TyperGroup):
    """The verbs with a line for each."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return TyperCommand(cmd_name, help=VERBS[cmd_name].summary)


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
    except ModuleNotFoundError as error:
        missing = not_installed(error)
        if missing is None:
            raise
        print_error(missing)
        sys.exit(1)
    except KeyboardInterrupt:
        err.print("interrupted")
        sys.exit(130)
