"""`mixpeek bucket` and `mixpeek batch`: where objects land, and what becomes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.markup import escape
from rich.table import Table

from mixpeek_dagster.catalog.bucket_schema import BucketSchema
from mixpeek_dagster.catalog.buckets import ensure_bucket
from mixpeek_dagster.catalog.records import Batch, Bucket, RunScope, Sync
from mixpeek_dagster.cli.console import out, print_json
from mixpeek_dagster.cli.session import Session, open_session, reload_graph
from mixpeek_dagster.errors import InvalidRequest
from mixpeek_dagster.operations import buckets
from mixpeek_dagster.operations.reconcile import reconcile as compare

app = typer.Typer(help="Make buckets and watch what lands in them.", no_args_is_help=True)
sync = typer.Typer(help="Have objects that land in S3 taken up by themselves.", no_args_is_help=True)
app.add_typer(sync, name="sync")
batch = typer.Typer(help="Look at batches and run them again.", no_args_is_help=True)

_Name = Annotated[str, typer.Argument(help="Name of the bucket.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_Include = Annotated[list[str] | None, typer.Option(help="Glob of keys that count, as '*.jpg'; none = all.")]
_Exclude = Annotated[list[str] | None, typer.Option(help="Glob of keys that do not count.")]
_Queue = Annotated[str | None, typer.Option(help="SQS queue of the bucket's S3 event notifications.")]
_Listing = Annotated[bool, typer.Option(help="List the bucket, beside any events.")]
_Objects = Annotated[int, typer.Option(help="Objects in a batch at most.")]
_Seconds = Annotated[float, typer.Option(help="Seconds that an object waits for others at most.")]
_Schema = Annotated[
    Path | None, typer.Option("--schema", help="JSON file: what is made of the objects' contents, keys and tags.")
]
_STYLES = {"COMPLETED": "green", "COMPLETED_WITH_ERRORS": "yellow", "FAILED": "red"}


@app.command()
def create(
    name: _Name,
    location: Annotated[str | None, typer.Option(help="Place in S3, s3://bucket/prefix/; none = our own.")] = None,
    schema_file: _Schema = None,
    as_json: _Json = False,
) -> None:
    """Make a bucket."""
    with open_session() as session:
        made = buckets.create_bucket(
            session.stores.catalog,
            session.namespace,
            name,
            session.settings.s3_bucket,
            location=location,
            bucket_schema=_read_schema(schema_file) if schema_file else None,
        )
        reload_graph(session)
    if as_json:
        print_json(made.model_dump(mode="json"))
        return
    out.print(f"[green]created[/] bucket [bold]{name}[/] at {escape(made.location)}", soft_wrap=True)
    out.print(f"next: mixpeek bucket sync on {name}", soft_wrap=True)


@app.command("list")
def list_(as_json: _Json = False) -> None:
    """List the namespace's buckets."""
    with open_session() as session:
        found = session.stores.catalog.buckets.find(session.namespace.namespace_id)
    if as_json:
        print_json([bucket.model_dump(mode="json") for bucket in found])
        return
    table = Table("bucket", "location", "sync", header_style="bold")
    for bucket in found:
        table.add_row(
            bucket.bucket_name, escape(bucket.location), "on" if bucket.sync and bucket.sync.enabled else "off"
        )
    out.print(table)


@app.command()
def delete(name: _Name) -> None:
    """Forget a bucket; its objects in S3 stay."""
    with open_session() as session:
        buckets.delete_bucket(session.stores.catalog, _bucket(session, name))
        reload_graph(session)
    out.print(f"[green]deleted[/] bucket {name}; its objects in S3 stay")


@app.command()
def schema(
    name: _Name,
    file: Annotated[Path | None, typer.Argument(help="JSON file with the new schema; none = show it.")] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Have no schema.")] = False,
) -> None:
    """Show or set what is made of the bucket's objects: fields of JSON records, parts of keys, tags."""
    with open_session() as session:
        catalog, bucket = session.stores.catalog, _bucket(session, name)
        if file is None and not clear:
            print_json(bucket.bucket_schema.model_dump(mode="json") if bucket.bucket_schema else None)
            return
        buckets.set_schema(catalog, bucket, _read_schema(file) if file else None)
    out.print(f"[green]{'set' if file else 'cleared'}[/] the schema of {name}")
    out.print(f"next: mixpeek bucket backfill {name}, to have it hold for what was taken up before", soft_wrap=True)


@app.command()
def backfill(name: _Name) -> None:
    """Have all known objects go through the bucket's collections again; what is unchanged is not computed again."""
    with open_session() as session:
        count = buckets.backfill(session.stores.catalog, _bucket(session, name))
    out.print(f"[green]entered[/] {count} objects; `mixpeek up` runs them")


@app.command()
def reconcile(
    name: _Name,
    repair: Annotated[bool, typer.Option(help="Enter arrivals for what differs; delete orphaned documents.")] = False,
    as_json: _Json = False,
) -> None:
    """Compare the bucket in S3, in the catalog and in Qdrant; exit code 1 if they differ."""
    with open_session() as session:
        drift = compare(session.stores, _bucket(session, name), repair=repair)
    if as_json:
        print_json(drift.to_dict())
    else:
        table = Table("what", "objects", "first ones", header_style="bold")
        samples = drift.to_dict()["samples"]
        for kind, count in drift.counts().items():
            table.add_row(kind.replace("_", " "), str(count), escape(", ".join(samples.get(kind, [])[:5])))
        out.print(table)
        if repair and not drift.agrees:
            out.print("arrivals were entered; `mixpeek up` runs them")
    raise typer.Exit(0 if drift.agrees or repair else 1)


@sync.command()
def on(
    name: _Name,
    include: _Include = None,
    exclude: _Exclude = None,
    queue_url: _Queue = None,
    listing: _Listing = True,
    batch_objects: _Objects = 1000,
    batch_seconds: _Seconds = 5.0,
    priority: Annotated[int, typer.Option(help="Of its runs among those that wait; higher ones go first.")] = 0,
) -> None:
    """Take up what lands; the bucket is made if it is new. `mixpeek up` does the looking."""
    wanted: dict[str, Any] = {
        "include": tuple(include or ()),
        "exclude": tuple(exclude or ()),
        "queue_url": queue_url,
        "listing": listing,
        "batch_objects": batch_objects,
        "batch_seconds": batch_seconds,
        "priority": priority,
    }
    with open_session() as session:
        catalog = session.stores.catalog
        bucket = ensure_bucket(catalog, session.namespace, name, session.settings.s3_bucket)
        changed = buckets.set_sync(catalog, bucket, Sync.model_validate(wanted))
        fed = [c for c in catalog.collections.find(bucket.namespace_id) if c.source.bucket_id == bucket.bucket_id]
        reload_graph(session)
    out.print(f"[green]on[/]  what lands in {escape(changed.location)} is taken up", soft_wrap=True)
    if not fed:
        out.print(f"next: mixpeek collection create NAME --plugin PLUGIN --bucket {name}", soft_wrap=True)


@sync.command()
def off(name: _Name) -> None:
    """Take up nothing more; what was seen stays in the inbox."""
    with open_session() as session:
        bucket = _bucket(session, name)
        paused = (bucket.sync or Sync()).model_copy(update={"enabled": False})
        buckets.set_sync(session.stores.catalog, bucket, paused)
        reload_graph(session)
    out.print(f"[green]off[/]  {name}")


@sync.command()
def status(name: _Name, as_json: _Json = False) -> None:
    """What was seen, waits, runs, is done or failed."""
    with open_session() as session:
        found = buckets.sync_status(session.stores.catalog, _bucket(session, name))
    if as_json:
        print_json(found.to_dict())
        return
    state = "on" if found.bucket.sync and found.bucket.sync.enabled else "off"
    out.print(f"[bold]{name}[/] {escape(found.bucket.location)} sync {state}", soft_wrap=True)
    arrivals = ", ".join(f"{count} {state}" for state, count in found.arrivals.items()) or "none yet"
    out.print(f"arrivals  {arrivals}")
    if found.listed_at:
        out.print(f"listed    {found.listed_objects} objects, whole at {found.listed_at:%H:%M:%S} UTC")
    if found.listing_now:
        out.print(f"listing   {found.listing_now} objects so far")
    if found.batches:
        out.print(_table(found.batches))
    for letter in found.dead_letters:
        out.print(f"[yellow]unreadable event[/] {letter.dead_letter_id}: {escape(letter.reason)}", soft_wrap=True)


@batch.command("list")
def list_batches(name: _Name, as_json: _Json = False) -> None:
    """List a bucket's batches, the newest first."""
    with open_session() as session:
        found = session.stores.catalog.batches.of_bucket(_bucket(session, name).bucket_id)
    if as_json:
        print_json([item.model_dump(mode="json") for item in found])
        return
    out.print(_table(found))


@batch.command()
def retry(
    batch_id: Annotated[str, typer.Argument(help="Id of the batch.")],
    everything: Annotated[
        bool, typer.Option("--all", help="Compute all rows again, not only those that failed.")
    ] = False,
) -> None:
    """Run a batch again that failed or had failed rows."""
    _send_again(batch_id, RunScope.ALL if everything else RunScope.CHANGED)


@batch.command("retry-qdrant-write")
def retry_write(batch_id: Annotated[str, typer.Argument(help="Id of the batch.")]) -> None:
    """Write the kept rows of a batch to Qdrant again; nothing is computed."""
    _send_again(batch_id, RunScope.WRITES)


def _send_again(batch_id: str, scope: RunScope) -> None:
    with open_session() as session:
        catalog = session.stores.catalog
        again = buckets.retry_batch(catalog, catalog.batches.get(batch_id), scope)
    out.print(f"[green]again[/] {batch_id}, attempt {again.attempt}; `mixpeek up` runs it at its next look")


def _read_schema(file: Path) -> BucketSchema:
    try:
        return BucketSchema.model_validate_json(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidRequest(f"schema {file}", why=error.strerror or str(error), fix="Name a JSON file") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        fix = 'Write it as {"properties": {"title": {"type": "text"}}, "key_pattern": "{customer}/**", "tags": false}'
        raise InvalidRequest(f"schema {file}", why=f"{where}: {first['msg']}".lstrip(": "), fix=fix) from None


def _bucket(session: Session, name: str) -> Bucket:
    return session.stores.catalog.buckets.get_by_name(session.namespace.namespace_id, name)


def _table(batches: list[Batch]) -> Table:
    table = Table("batch", "status", "attempt", "objects", "removed", "reason", header_style="bold")
    for item in batches:
        state = item.status.value if item.status else "by hand"
        style = _STYLES.get(state, "default")
        counts = (str(item.attempt), str(item.object_count), str(item.removed_count))
        table.add_row(item.batch_id, f"[{style}]{state}[/]", *counts, escape(item.reason[:200]))
    return table
