"""`mixpeek collection`: what is made of a bucket's objects, by which plugin."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from mixpeek_dagster.catalog.records import require_name
from mixpeek_dagster.cli.console import out, print_json
from mixpeek_dagster.cli.options import from_json, key_json, key_values
from mixpeek_dagster.cli.remote import all_results, named, open_api
from mixpeek_dagster.errors import InvalidRequest, NotFound
from mixpeek_dagster.settings import Settings

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
    require_name("collection", name)
    parameters, mappings = key_json("--param", param), key_values("--map", mapping)
    wanted = from_json("--filter", filters) if filters else {}
    if (bucket is None) == (source is None):
        raise InvalidRequest("a collection's source", why="give exactly one of --bucket and --from")
    settings = Settings.load()
    extractor = {**_plugin(settings, plugin), "parameters": parameters, "input_mappings": mappings}
    feeding: dict[str, Any] = {"type": "collection", "collection_id": source}
    if bucket is not None:
        feeding = {"type": "bucket", "bucket_ids": [bucket], "make_bucket": True}
    body = {"collection_name": name, "source": {**feeding, "source_filters": wanted}, "feature_extractor": extractor}
    with open_api(settings) as api:
        try:
            made = api.call("POST", "/collections", json=body)
        except NotFound as error:
            if "folder" in extractor or f"plugin {plugin!r}" not in error.what:
                raise
            raise NotFound(error.what, why=f"it is not a folder, and {error.why}", fix=error.fix) from None
    if as_json:
        print_json(made)
        return
    vectors = ", ".join(f"{v['name']} ({v['dimensions']})" for v in made["vector_indexes"]) or "none"
    out.print(f"[green]created[/] collection [bold]{name}[/] {made['collection_id']}, vectors: {vectors}")


@app.command("list")
def list_(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the namespace's collections."""
    with open_api() as api:
        rows = all_results(api, "/collections/list")
    if as_json:
        print_json(rows)
        return
    table = Table("collection", "plugin", "code", "fed by", "vectors", header_style="bold")
    for row in rows:
        vectors = ", ".join(f"{v['name']} ({v['dimensions']})" for v in row["vector_indexes"])
        source = row["source"]["bucket_id"] or row["source"]["collection_id"]
        code = row["folder"] or f"registered {row['code_hash'][:12]}"
        table.add_row(row["collection_name"], row["plugin_id"], code, source, vectors)
    out.print(table)


@app.command()
def delete(
    name: Annotated[str, typer.Argument(help="Name of the collection.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Delete a collection and its documents."""
    with open_api() as api:
        reply = api.call("DELETE", f"/collections/{named('collection', name)}", timeout=None)
    if as_json:
        print_json({key: reply[key] for key in ("collection_id", "documents")})
        return
    out.print(f"[green]deleted[/] collection {name} and its {reply['documents']} documents")


def _plugin(settings: Settings, wanted: str) -> dict[str, str]:
    """A folder is meant if it looks like one or is there; otherwise the id of a registered plugin."""
    folder = Path(wanted)
    if not (folder.is_dir() or "/" in wanted or wanted.startswith((".", "~"))):
        return {"feature_extractor_id": wanted}
    if settings.api_url:
        fix = f"Run `mixpeek plugin push {wanted}`, and name the plugin's id"
        raise InvalidRequest(f"plugin folder {wanted!r}", why="the API cannot read folders of this machine", fix=fix)
    return {"folder": str(folder)}
