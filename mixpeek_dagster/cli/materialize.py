"""`mixpeek materialize`: one batch through one collection, as a Dagster run in this process."""

from __future__ import annotations

from typing import Annotated

import typer

from mixpeek_dagster.catalog.records import Batch
from mixpeek_dagster.cli.console import checks_table, err, ledger_table, out, print_json
from mixpeek_dagster.cli.progress import step_progress
from mixpeek_dagster.cli.session import Session, open_session
from mixpeek_dagster.dagster_home.runs import RunOutcome, add_batch, blobs_kept
from mixpeek_dagster.dagster_home.runs import materialize as run_materialize
from mixpeek_dagster.errors import NotFound


def materialize(
    collection: Annotated[str, typer.Argument(help="Name of the collection.")],
    batch: Annotated[str | None, typer.Option(help="Batch id; the bucket's newest if not given.")] = None,
    recompute: Annotated[bool, typer.Option(help="Run the steps on unchanged rows, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make a collection's documents of a batch; exit code 1 if the run is red."""
    with open_session() as session:
        outcome, ledger = materialize_batch(session, collection, batch, recompute=recompute)
    if as_json:
        print_json({"run_id": outcome.run_id, "success": outcome.success, "ledger": ledger, "checks": outcome.checks})
    else:
        print_outcomes({collection: outcome}, {collection: ledger})
    raise typer.Exit(0 if outcome.success else 1)


def materialize_batch(
    session: Session, collection: str, batch_id: str | None = None, *, recompute: bool = False
) -> tuple[RunOutcome, dict[str, int]]:
    """Run it and read back the ledger.

    Raises:
        NotFound: no such collection or batch.
    """
    item = session.compilable(collection)
    batch = _batch(session, item.bucket.bucket_id, item.bucket.bucket_name, batch_id)
    with session.dagster() as instance, step_progress(err, collection):
        add_batch(instance, session.namespace.address, item.bucket.bucket_name, batch.batch_id)
        outcome = run_materialize(
            instance,
            session.settings,
            item,
            batch.batch_id,
            blobs=not blobs_kept(instance, item, batch.batch_id),
            recompute=recompute,
        )
    tier = session.stores.catalog.batches.get(batch.batch_id).tiers.get(item.collection.collection_id, {})
    ledger = tier.get("counters", {}) if tier.get("run_id") == outcome.run_id else {}
    return outcome, ledger


def print_outcomes(outcomes: dict[str, RunOutcome], ledgers: dict[str, dict[str, int]]) -> None:
    """Ledger and checks, and what went wrong."""
    if any(ledgers.values()):
        out.print(ledger_table(ledgers))
    if any(outcome.checks for outcome in outcomes.values()):
        out.print(checks_table(outcomes))
    for name, outcome in outcomes.items():
        if outcome.success:
            out.print(f"[green]run {outcome.run_id[:8]} of {name} succeeded[/]")
        else:
            out.print(f"[red]run {outcome.run_id[:8]} of {name} failed[/]")
            out.print(outcome.error or "", markup=False)


def _batch(session: Session, bucket_id: str, bucket_name: str, batch_id: str | None) -> Batch:
    batches = session.stores.catalog.batches
    if batch_id is not None:
        return batches.get(batch_id)
    newest = batches.newest(bucket_id)
    if newest is None:
        raise NotFound(
            f"a batch of bucket {bucket_name!r}",
            why="nothing was ingested yet",
            fix=f"Run `mixpeek ingest PATH --bucket {bucket_name}` first",
        )
    return newest
