"""`mixpeek bucket`: where objects land."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.markup import escape
from rich.table import Table

from mixpeek_dagster.catalog.bucket_schema import BucketSchema
from mixpeek_dagster.catalog.records import require_name
from mixpeek_dagster.cli import sync
from mixpeek_dagster.cli.console import out, print_json
from mixpeek_dagster.cli.remote import all_results, named, open_api
from mixpeek_dagster.errors import InvalidRequest

app = typer.Typer(help="Make buckets and watch what lands in them.", no_args_is_help=True)
app.add_typer(sync.app, name="sync")

_Name = Annotated[str, typer.Argument(help="Name of the bucket.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_Schema = Annotated[
    Path | None, typer.Option("--schema", help="JSON file: what is made of the objects' contents, keys and tags.")
]


@app.command()
def create(
    name: _Name,
    location: Annotated[str | None, typer.Option(help="Place in S3, s3://bucket/prefix/; none = our own.")] = None,
    schema_file: _Schema = None,
    as_json: _Json = False,
) -> None:
    """Make a bucket."""
    require_name("bucket", name)
    wanted = {"bucket_name": name, "location": location}
    with open_api() as api:
        made = api.call("POST", "/buckets", json={**wanted, "bucket_schema": _read_schema(schema_file)})
    if as_json:
        print_json(made)
        return
    out.print(f"[green]created[/] bucket [bold]{name}[/] at {escape(made['location'])}", soft_wrap=True)
    out.print(f"next: mixpeek bucket sync on {name}", soft_wrap=True)


@app.command("list")
def list_(as_json: _Json = False) -> None:
    """List the namespace's buckets."""
    with open_api() as api:
        found = all_results(api, "/buckets/list")
    if as_json:
        print_json(found)
        return
    table = Table("bucket", "location", "sync", header_style="bold")
    for bucket in found:
        state = "on" if bucket["sync"] and bucket["sync"]["enabled"] else "off"
        table.add_row(bucket["bucket_name"], escape(bucket["location"]), state)
    out.print(table)


@app.command()
def delete(name: _Name, as_json: _Json = False) -> None:
    """Forget a bucket; its objects in S3 stay."""
    with open_api() as api:
        reply = api.call("DELETE", _path(name))
    if as_json:
        print_json(reply)
        return
    out.print(f"[green]deleted[/] bucket {name}; its objects in S3 stay")


@app.command()
def schema(
    name: _Name,
    file: Annotated[Path | None, typer.Argument(help="JSON file with the new schema; none = show it.")] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Have no schema.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, as it does when it shows the schema.")] = False,
) -> None:
    """Show or set what is made of the bucket's objects: fields of JSON records, parts of keys, tags."""
    with open_api() as api:
        if file is not None:
            reply = api.call("PUT", _path(name, "/schema"), json=_read_schema(file))
        else:
            reply = api.call("DELETE" if clear else "GET", _path(name, "/schema" if clear else ""))
    if as_json or (file is None and not clear):
        print_json(reply["bucket_schema"])
        return
    out.print(f"[green]{'set' if file else 'cleared'}[/] the schema of {name}")
    out.print(f"next: mixpeek bucket backfill {name}, to have it hold for what was taken up before", soft_wrap=True)


@app.command()
def backfill(name: _Name, as_json: _Json = False) -> None:
    """Have all known objects go through the bucket's collections again; what is unchanged is not computed again."""
    with open_api() as api:
        reply = api.call("POST", _path(name, "/backfill"), timeout=None)
    if as_json:
        print_json(reply)
        return
    out.print(f"[green]entered[/] {reply['object_count']} objects; `mixpeek up` runs them")


@app.command()
def reconcile(
    name: _Name,
    repair: Annotated[bool, typer.Option(help="Enter arrivals for what differs; delete orphaned documents.")] = False,
    as_json: _Json = False,
) -> None:
    """Compare the bucket in S3, in the catalog and in Qdrant; exit code 1 if they differ."""
    with open_api() as api:
        drift = api.call("POST", _path(name, "/reconcile"), json={"repair": repair}, timeout=None)
    if as_json:
        print_json(drift)
    else:
        table = Table("what", "objects", "first ones", header_style="bold")
        for kind, count in drift["counts"].items():
            first = ", ".join(drift["samples"].get(kind, [])[:5])
            table.add_row(kind.replace("_", " "), str(count), escape(first))
        out.print(table)
        if repair and not drift["agrees"]:
            out.print("arrivals were entered; `mixpeek up` runs them")
    raise typer.Exit(0 if drift["agrees"] or repair else 1)


def _path(name: str, rest: str = "") -> str:
    return f"/buckets/{named('bucket', name)}{rest}"


def _read_schema(file: Path | None) -> dict[str, Any] | None:
    if file is None:
        return None
    try:
        return BucketSchema.model_validate_json(file.read_text(encoding="utf-8")).model_dump(mode="json")
    except OSError as error:
        raise InvalidRequest(f"schema {file}", why=error.strerror or str(error), fix="Name a JSON file") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        fix = 'Write it as {"properties": {"title": {"type": "text"}}, "key_pattern": "{customer}/**", "tags": false}'
        raise InvalidRequest(f"schema {file}", why=f"{where}: {first['msg']}".lstrip(": "), fix=fix) from None
