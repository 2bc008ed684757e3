"""`mixpeek`: the command's verbs."""

from __future__ import annotations

import sys

import typer

from mixpeek_dagster.cli import (
    api,
    bucket,
    collection,
    demo,
    doctor,
    infer,
    ingest,
    keys,
    materialize,
    models,
    plugin,
    search,
    up,
)
from mixpeek_dagster.cli.console import err, print_error
from mixpeek_dagster.errors import MixpeekError

app = typer.Typer(
    help="Run Mixpeek-style plugins on your own Dagster, Qdrant, MongoDB, S3 and BentoML.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("demo")(demo.demo)
app.command("up")(up.up)
app.command("ingest")(ingest.ingest)
app.command("materialize")(materialize.materialize)
app.command("search")(search.search)
app.command("infer")(infer.infer)
app.command("doctor")(doctor.doctor)
app.command("api")(api.api)
app.add_typer(keys.app, name="keys")
app.add_typer(plugin.app, name="plugin")
app.add_typer(models.app, name="models")
app.add_typer(bucket.app, name="bucket")
app.add_typer(bucket.batch, name="batch")
app.add_typer(collection.app, name="collection")


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
