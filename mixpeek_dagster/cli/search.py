"""`mixpeek search`: a collection's documents that are like some words or a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mixpeek_dagster.cli.console import hits_table, out, print_json
from mixpeek_dagster.cli.remote import Api, named, open_api
from mixpeek_dagster.errors import InvalidRequest, NotFound


def search(
    collection: Annotated[str, typer.Argument(help="Name of the collection.")],
    words: Annotated[str | None, typer.Argument(help="What to look for.")] = None,
    file: Annotated[Path | None, typer.Option(help="Look for documents like this file.")] = None,
    vector: Annotated[str | None, typer.Option(help="Which vector; the plugin's first if not given.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Search by words or by a file, with the collection's own plugin as the embedder."""
    wanted = {"limit": limit} | ({"vector": vector} if vector is not None else {})
    path = f"/collections/{named('collection', collection)}/search"
    with open_api() as api:
        hits = _find(api, path, words, file, wanted)["results"]
    if as_json:
        print_json(hits)
        return
    out.print(hits_table(hits) if hits else f"no documents in collection {collection}")


def _find(api: Api, path: str, words: str | None, file: Path | None, wanted: dict[str, Any]) -> dict[str, Any]:
    if words is not None and file is None:
        return api.call("POST", path, json={"query": words, **wanted})
    if file is None or words is not None:
        raise InvalidRequest("a search", why="give either words or --file")
    if not file.is_file():
        raise NotFound(f"file {str(file)!r}")
    with file.open("rb") as content:
        return api.call("POST", f"{path}/file", files={"file": (file.name, content)}, data=wanted)
