"""`mixpeek ingest`: files into a bucket, as one batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from mixpeek_dagster.cli.console import err, out, print_json
from mixpeek_dagster.cli.remote import Api, open_api
from mixpeek_dagster.ingest.files import LocalFile, find_files

_AT_ONCE = 1000
_COLUMNS = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())


def ingest(
    paths: Annotated[list[Path], typer.Argument(help="Files and folders.")],
    bucket: Annotated[str, typer.Option(help="Bucket; made if it is new.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Upload files to a bucket; they become one batch, a partition in Dagster."""
    files = find_files(paths)
    with open_api() as api, Progress(*_COLUMNS, console=err, transient=True) as progress:
        batch = _ingest(api, bucket, files, progress)
    if as_json:
        print_json({name: batch[name] for name in ("batch_id", "bucket_id", "objects")})
        return
    out.print(f"[green]batch[/] [bold]{batch['batch_id']}[/]: {batch['objects']} objects in bucket {bucket}")


def _ingest(api: Api, bucket: str, files: Sequence[LocalFile], progress: Progress) -> dict[str, Any]:
    """Have what is new put into S3, some files at a time, and then all of them made a batch."""
    bar = progress.add_task("uploading", total=len(files))
    described: list[dict[str, Any]] = []
    for start in range(0, len(files), _AT_ONCE):
        found = {file.key: file for file in files[start : start + _AT_ONCE]}
        entries = [asdict(file.describe()) for file in found.values()]
        plan = api.call("POST", "/ingest/uploads", json={"bucket": bucket, "files": entries})
        progress.advance(bar, plan["unchanged"])
        puts = [(found[place["key"]].path, place) for place in plan["uploads"]]
        api.put_files(puts, lambda: progress.advance(bar))
        described += entries
    return api.call("POST", "/ingest", json={"bucket": bucket, "files": described}, timeout=None)
