"""`mixpeek materialize`: one batch through one collection, as a Dagster run in this process or at the server."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

import typer

from mixpeek_dagster.cli.console import checks_table, err, ledger_table, out, print_json
from mixpeek_dagster.cli.progress import step_progress
from mixpeek_dagster.cli.remote import named, open_api
from mixpeek_dagster.cli.session import open_session
from mixpeek_dagster.operations import materialize as operations
from mixpeek_dagster.settings import Settings

_POLL_SECONDS = 1.0


def materialize(
    collection: Annotated[str, typer.Argument(help="Name of the collection.")],
    batch: Annotated[str | None, typer.Option(help="Batch id; the bucket's newest if not given.")] = None,
    recompute: Annotated[bool, typer.Option(help="Run the steps on unchanged rows, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make a collection's documents of a batch; exit code 1 if the run is red."""
    settings = Settings.load()
    run = _at_server if settings.api_url else _here
    outcome = run(settings, collection, batch, recompute)
    if as_json:
        print_json({key: outcome[key] for key in ("run_id", "success", "ledger", "checks")})
    else:
        print_outcomes({collection: outcome})
    raise typer.Exit(0 if outcome["success"] else 1)


def print_outcomes(outcomes: Mapping[str, Mapping[str, Any]]) -> None:
    """Ledger and checks of runs, by collection, and what went wrong."""
    if any(outcome["ledger"] for outcome in outcomes.values()):
        out.print(ledger_table({name: outcome["ledger"] for name, outcome in outcomes.items()}))
    if any(outcome["checks"] for outcome in outcomes.values()):
        out.print(checks_table({name: outcome["checks"] for name, outcome in outcomes.items()}))
    for name, outcome in outcomes.items():
        if outcome["success"]:
            out.print(f"[green]run {outcome['run_id'][:8]} of {name} succeeded[/]")
        else:
            out.print(f"[red]run {outcome['run_id'][:8]} of {name} failed[/]")
            out.print(outcome["error"] or "", markup=False)


def _here(settings: Settings, collection: str, batch: str | None, recompute: bool) -> dict[str, Any]:
    """In this process, since a run should end with Ctrl-C and show its steps."""
    with open_session(settings) as session, step_progress(err, collection):
        view = session.stores.catalog.view(session.namespace)
        return asdict(operations.materialize(session.stores, view, collection, batch, recompute=recompute))


def _at_server(settings: Settings, collection: str, batch: str | None, recompute: bool) -> dict[str, Any]:
    """As a run of the server's Dagster, which goes on if this command is interrupted."""
    wanted = {"batch_id": batch, "recompute": recompute}
    with open_api(settings) as api:
        launched = api.call("POST", f"/collections/{named('collection', collection)}/materialize", json=wanted)
        path, run_id = f"/collections/{launched['collection_id']}/runs/{launched['run_id']}", launched["run_id"]
        with err.status(f"{collection}: run {run_id[:8]} at the server"):
            while True:
                reply = api.call("GET", path, params={"batch_id": launched["batch_id"]})
                if reply["finished"]:
                    return reply
                time.sleep(_POLL_SECONDS)
