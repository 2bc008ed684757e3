"""`mixpeek batch`: what becomes of a bucket's batches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from mixpeek_dagster.cli.console import out, print_json
from mixpeek_dagster.cli.remote import all_results, named, open_api

app = typer.Typer(help="Look at batches and run them again.", no_args_is_help=True)

_BatchId = Annotated[str, typer.Argument(help="Id of the batch.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_STYLES = {"COMPLETED": "green", "COMPLETED_WITH_ERRORS": "yellow", "FAILED": "red"}


@app.command("list")
def list_(bucket: Annotated[str, typer.Argument(help="Name of the bucket.")], as_json: _Json = False) -> None:
    """List a bucket's batches, the newest first."""
    with open_api() as api:
        found = all_results(api, f"/buckets/{named('bucket', bucket)}/batches/list")
    if as_json:
        print_json(found)
        return
    out.print(batches_table(found))


@app.command()
def retry(
    batch_id: _BatchId,
    everything: Annotated[
        bool, typer.Option("--all", help="Compute all rows again, not only those that failed.")
    ] = False,
    as_json: _Json = False,
) -> None:
    """Run a batch again that failed or had failed rows."""
    _send_again(batch_id, "retry", {"scope": "all" if everything else "changed"}, as_json)


@app.command("retry-qdrant-write")
def retry_write(batch_id: _BatchId, as_json: _Json = False) -> None:
    """Write the kept rows of a batch to Qdrant again; nothing is computed."""
    _send_again(batch_id, "retry-qdrant-write", None, as_json)


def batches_table(batches: Iterable[Mapping[str, Any]]) -> Table:
    """One row per batch; reasons are cut at 200 characters."""
    table = Table("batch", "status", "attempt", "objects", "removed", "reason", header_style="bold")
    for item in batches:
        state = item["status"] or "by hand"
        style = _STYLES.get(state, "default")
        counts = (str(item["attempt"]), str(item["object_count"]), str(item["removed_count"]))
        table.add_row(item["batch_id"], f"[{style}]{state}[/]", *counts, escape(item["reason"][:200]))
    return table


def _send_again(batch_id: str, how: str, body: dict[str, Any] | None, as_json: bool) -> None:
    with open_api() as api:
        bucket = api.call("GET", f"/batches/{named('batch', batch_id)}")["bucket_id"]
        again = api.call("POST", f"/buckets/{bucket}/batches/{batch_id}/{how}", json=body)
    if as_json:
        print_json(again)
        return
    out.print(f"[green]again[/] {batch_id}, attempt {again['attempt']}; `mixpeek up` runs it at its next look")
