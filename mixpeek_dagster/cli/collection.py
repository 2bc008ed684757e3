"""`mixpeek collection`: what is made of a bucket's objects, by which plugin."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.table import Table

from mixpeek_dagster.catalog.records import Source
from mixpeek_dagster.cli.console import out, print_json
from mixpeek_dagster.cli.session import Session, open_session
from mixpeek_dagster.cli.up_lock import read_up
from mixpeek_dagster.compiler.server import reload_location
from mixpeek_dagster.errors import InvalidRequest
from mixpeek_dagster.ingest.buckets import ensure_bucket
from mixpeek_dagster.registration import create_collection

app = typer.Typer(help="Create and list collections.", no_args_is_help=True)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Name of the collection.")],
    plugin: Annotated[Path, typer.Option(help="Plugin folder.")],
    bucket: Annotated[str | None, typer.Option(help="Bucket that feeds it; made if it is new.")] = None,
    source: Annotated[str | None, typer.Option("--from", help="Collection that feeds it, instead of a bucket.")] = None,
    param: Annotated[list[str] | None, typer.Option(help="key=value for the plugin; value may be JSON.")] = None,
    mapping: Annotated[list[str] | None, typer.Option("--map", help="plugin_field=source_field.")] = None,
    filters: Annotated[str | None, typer.Option("--filter", help="Source filter as JSON.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Create a collection: check the plugin, make its vectors, record it."""
    with open_session() as session:
        collection = create_collection(
            session.stores,
            session.namespace,
            name,
            plugin_folder=plugin,
            source=_source(session, bucket, source, _json("--filter", filters) if filters else {}),
            parameters={key: _value(value) for key, value in _pairs("--param", param)},
            input_mappings=dict(_pairs("--map", mapping)),
        )
        running = read_up(session.settings.home_path).get("dagster")
    if running:
        reload_location(running)
    if as_json:
        print_json(collection.model_dump(mode="json"))
        return
    vectors = ", ".join(f"{v.name} ({v.dimensions})" for v in collection.vector_indexes) or "none"
    out.print(f"[green]created[/] collection [bold]{name}[/] {collection.collection_id}, vectors: {vectors}")


@app.command("list")
def list_(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the namespace's collections."""
    with open_session() as session:
        collections = session.stores.catalog.collections.find(session.namespace.namespace_id)
        rows = [collection.model_dump(mode="json") for collection in collections]
    if as_json:
        print_json(rows)
        return
    table = Table("collection", "plugin", "fed by", "vectors", header_style="bold")
    for row in rows:
        vectors = ", ".join(f"{v['name']} ({v['dimensions']})" for v in row["vector_indexes"])
        source = row["source"]["bucket_id"] or row["source"]["collection_id"]
        table.add_row(row["collection_name"], row["plugin"]["plugin_id"], source, vectors)
    out.print(table)


def _source(session: Session, bucket: str | None, upstream: str | None, filters: dict[str, Any]) -> Source:
    if (bucket is None) == (upstream is None):
        raise InvalidRequest("a collection's source", why="give exactly one of --bucket and --from")
    if bucket is not None:
        record = ensure_bucket(session.stores.catalog, session.namespace, bucket, session.settings.s3_bucket)
        return Source(type="bucket", bucket_id=record.bucket_id, source_filters=filters)
    feeding = session.stores.catalog.collections.get_by_name(session.namespace.namespace_id, str(upstream))
    return Source(type="collection", collection_id=feeding.collection_id, source_filters=filters)


def _pairs(option: str, values: list[str] | None) -> list[tuple[str, str]]:
    pairs = []
    for value in values or []:
        key, sign, rest = value.partition("=")
        if not sign or not key:
            raise InvalidRequest(f"{option} {value!r}", why="it is not of the form key=value")
        pairs.append((key, rest))
    return pairs


def _value(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _json(option: str, text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"{option} {text!r}", why=f"it is not JSON: {error}") from None
