"""`mixpeek ingest`: files into a bucket, as one batch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from mixpeek_dagster.catalog.buckets import ensure_bucket
from mixpeek_dagster.catalog.records import Batch
from mixpeek_dagster.cli.console import err, out, print_json
from mixpeek_dagster.cli.session import Session, open_session
from mixpeek_dagster.dagster_home.runs import add_batch
from mixpeek_dagster.ingest.upload import ingest_paths


def ingest(
    paths: Annotated[list[Path], typer.Argument(help="Files and folders.")],
    bucket: Annotated[str, typer.Option(help="Bucket; made if it is new.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Upload files to a bucket; they become one batch, a partition in Dagster."""
    with open_session() as session:
        batch = ingest_files(session, bucket, paths)
    if as_json:
        print_json({"batch_id": batch.batch_id, "bucket_id": batch.bucket_id, "objects": batch.object_count})
        return
    out.print(f"[green]batch[/] [bold]{batch.batch_id}[/]: {batch.object_count} objects in bucket {bucket}")


def ingest_files(session: Session, bucket_name: str, paths: list[Path]) -> Batch:
    """Upload, record the batch, and make it a partition."""
    stores = session.stores
    bucket = ensure_bucket(stores.catalog, session.namespace, bucket_name, session.settings.s3_bucket)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        bar = progress.add_task("uploading", total=None)
        batch = ingest_paths(
            stores.catalog,
            stores.objects,
            bucket,
            paths,
            progress=lambda done, total: progress.update(bar, completed=done, total=total),
        )
    with session.dagster() as instance:
        add_batch(instance, session.namespace.address, bucket_name, batch.batch_id)
    return batch
