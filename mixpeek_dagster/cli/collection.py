"""`mixpeek collection`: what is made of a bucket's objects, by which plugin."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from mixpeek_dagster.catalog.buckets import ensure_bucket
from mixpeek_dagster.catalog.plugins import PluginRecord
from mixpeek_dagster.catalog.records import Source
from mixpeek_dagster.cli.console import out, print_json
from mixpeek_dagster.cli.options import from_json, key_json, key_values
from mixpeek_dagster.cli.session import Session, open_session, reload_graph
from mixpeek_dagster.errors import InvalidRequest, NotFound
from mixpeek_dagster.operations.collections import create_collection, delete_collection
from mixpeek_dagster.operations.plugins import find_plugin

app = typer.Typer(help="Create, list and delete collections.", no_args_is_help=True)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Name of the collection.")],
    plugin: Annotated[str, typer.Option(help="Id of a registered plugin, or a folder that is read at each run.")],
    bucket: Annotated[str | None, typer.Option(help="Bucket that feeds it; made if it is new.")] = None,
    source: Annotated[str | None, typer.Option("--from", help="Collection that feeds it, instead of a bucket.")] = None,
    param: Annotated[list[str] | None, typer.Option(help="key=value for the plugin; value may be JSON.")] = None,
    mapping: Annotated[list[str] | None, typer.Option("--map", help="plugin_field=source_field.")] = None,
    filters: Annotated[str | None, typer.Option("--filter", help="Source filter as JSON.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Create a collection: check the plugin, make its vectors, record it."""
    parameters, mappings = key_json("--param", param), key_values("--map", mapping)
    wanted = from_json("--filter", filters) if filters else {}
    if (bucket is None) == (source is None):
        raise InvalidRequest("a collection's source", why="give exactly one of --bucket and --from")
    with open_session() as session:
        collection = create_collection(
            session.stores,
            session.namespace,
            name,
            plugin=_plugin(session, plugin),
            source=_source(session, bucket, source, wanted),
            parameters=parameters,
            input_mappings=mappings,
        )
        reload_graph(session)
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
    table = Table("collection", "plugin", "code", "fed by", "vectors", header_style="bold")
    for row in rows:
        vectors = ", ".join(f"{v['name']} ({v['dimensions']})" for v in row["vector_indexes"])
        source = row["source"]["bucket_id"] or row["source"]["collection_id"]
        plugin = row["plugin"]
        code = plugin["folder"] or f"registered {plugin['code_hash'][:12]}"
        table.add_row(row["collection_name"], plugin["plugin_id"], code, source, vectors)
    out.print(table)


@app.command()
def delete(
    name: Annotated[str, typer.Argument(help="Name of the collection.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Delete a collection and its documents."""
    with open_session() as session:
        collection = session.stores.catalog.collections.get_by_name(session.namespace.namespace_id, name)
        documents = delete_collection(session.stores, collection)
        reload_graph(session)
    if as_json:
        print_json({"collection_id": collection.collection_id, "documents": documents})
        return
    out.print(f"[green]deleted[/] collection {name} and its {documents} documents")


def _plugin(session: Session, wanted: str) -> Path | PluginRecord:
    """A folder is meant if it looks like one or is there; otherwise the id of a registered plugin."""
    folder = Path(wanted)
    if folder.is_dir() or "/" in wanted or wanted.startswith((".", "~")):
        return folder
    try:
        return find_plugin(session.stores.catalog.view(session.namespace), wanted)
    except NotFound as error:
        raise NotFound(error.what, why=f"it is not a folder, and {error.why}", fix=error.fix) from None


def _source(session: Session, bucket: str | None, upstream: str | None, filters: dict[str, Any]) -> Source:
    if bucket is not None:
        record = ensure_bucket(session.stores.catalog, session.namespace, bucket, session.settings.s3_bucket)
        return Source(type="bucket", bucket_id=record.bucket_id, source_filters=filters)
    feeding = session.stores.catalog.collections.get_by_name(session.namespace.namespace_id, str(upstream))
    return Source(type="collection", collection_id=feeding.collection_id, source_filters=filters)
