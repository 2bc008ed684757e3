"""`mixpeek bucket sync`: objects that land in S3, taken up by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.markup import escape

from mixpeek_dagster.cli.batch import batches_table
from mixpeek_dagster.cli.console import out, print_json
from mixpeek_dagster.cli.remote import Api, all_results, named, open_api

app = typer.Typer(help="Have objects that land in S3 taken up by themselves.", no_args_is_help=True)

_Name = Annotated[str, typer.Argument(help="Name of the bucket.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_Include = Annotated[list[str] | None, typer.Option(help="Glob of keys that count, as '*.jpg'; none = all.")]
_Exclude = Annotated[list[str] | None, typer.Option(help="Glob of keys that do not count.")]
_Queue = Annotated[str | None, typer.Option(help="SQS queue of the bucket's S3 event notifications.")]
_Listing = Annotated[bool, typer.Option(help="List the bucket, beside any events.")]
_Objects = Annotated[int, typer.Option(help="Objects in a batch at most.")]
_Seconds = Annotated[float, typer.Option(help="Seconds that an object waits for others at most.")]


@app.command()
def on(
    name: _Name,
    include: _Include = None,
    exclude: _Exclude = None,
    queue_url: _Queue = None,
    listing: _Listing = True,
    batch_objects: _Objects = 1000,
    batch_seconds: _Seconds = 5.0,
    priority: Annotated[int, typer.Option(help="Of its runs among those that wait; higher ones go first.")] = 0,
    as_json: _Json = False,
) -> None:
    """Take up what lands; the bucket is made if it is new. `mixpeek up` does the looking."""
    wanted: dict[str, Any] = {
        "include": include or [],
        "exclude": exclude or [],
        "queue_url": queue_url,
        "listing": listing,
        "batch_objects": batch_objects,
        "batch_seconds": batch_seconds,
        "priority": priority,
    }
    with open_api() as api:
        reply = api.call("PUT", _path(name), json=wanted, params={"make_bucket": True})
        bucket = api.call("GET", f"/buckets/{name}")["bucket_id"]
        fed = any(item["source"]["bucket_id"] == bucket for item in all_results(api, "/collections/list"))
    if as_json:
        _print(reply)
        return
    out.print(f"[green]on[/]  what lands in {escape(reply['location'])} is taken up", soft_wrap=True)
    if not fed:
        out.print(f"next: mixpeek collection create NAME --plugin PLUGIN --bucket {name}", soft_wrap=True)


@app.command()
def off(name: _Name, as_json: _Json = False) -> None:
    """Take up nothing more; what was seen stays in the inbox."""
    with open_api() as api:
        reply = api.call("PUT", _path(name), json={**(_status(api, name)["sync"] or {}), "enabled": False})
    if as_json:
        _print(reply)
        return
    out.print(f"[green]off[/]  {name}")


@app.command()
def status(name: _Name, as_json: _Json = False) -> None:
    """What was seen, waits, runs, is done or failed."""
    with open_api() as api:
        found = _status(api, name)
    if as_json:
        _print(found)
        return
    state = "on" if found["sync"] and found["sync"]["enabled"] else "off"
    out.print(f"[bold]{name}[/] {escape(found['location'])} sync {state}", soft_wrap=True)
    arrivals = ", ".join(f"{count} {state}" for state, count in found["arrivals"].items()) or "none yet"
    out.print(f"arrivals  {arrivals}")
    if found["listed_at"]:
        at = datetime.fromisoformat(found["listed_at"])
        out.print(f"listed    {found['listed_objects']} objects, whole at {at:%H:%M:%S} UTC")
    if found["listing_now"]:
        out.print(f"listing   {found['listing_now']} objects so far")
    if found["batches"]:
        out.print(batches_table(found["batches"]))
    for letter in found["dead_letters"]:
        reason = escape(letter["reason"])
        out.print(f"[yellow]unreadable event[/] {letter['dead_letter_id']}: {reason}", soft_wrap=True)


def _status(api: Api, name: str) -> dict[str, Any]:
    return api.call("GET", _path(name))


def _path(name: str) -> str:
    return f"/buckets/{named('bucket', name)}/sync"


def _print(reply: Mapping[str, Any]) -> None:
    print_json({key: value for key, value in reply.items() if key != "success"})
