"""`mixpeek search`: a collection's documents that are like some words or a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mixpeek_dagster.cli.console import hits_table, out, print_json
from mixpeek_dagster.cli.session import Session, open_session
from mixpeek_dagster.errors import InvalidRequest
from mixpeek_dagster.operations.search import embed_query


def search(
    collection: Annotated[str, typer.Argument(help="Name of the collection.")],
    words: Annotated[str | None, typer.Argument(help="What to look for.")] = None,
    file: Annotated[Path | None, typer.Option(help="Look for documents like this file.")] = None,
    vector: Annotated[str | None, typer.Option(help="Which vector; the plugin's first if not given.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Search by words or by a file, with the collection's own plugin as the embedder."""
    with open_session() as session:
        hits = find(session, collection, words=words, file=file, vector=vector, limit=limit)
    if as_json:
        print_json(hits)
        return
    out.print(hits_table(hits) if hits else f"no documents in collection {collection}")


def find(
    session: Session,
    collection: str,
    *,
    words: str | None = None,
    file: Path | None = None,
    vector: str | None = None,
    limit: int = 5,
) -> list[dict[str, Any]]:
    """The nearest documents: score, file, snippet, document id and fields.

    Raises:
        InvalidRequest: not exactly one of words and file.
        NotFound: no such collection, vector or file.
    """
    if (words is None) == (file is None):
        raise InvalidRequest("a search", why="give either words or --file")
    item = session.compilable(collection)
    name, query = embed_query(item.loaded, item.collection, item.namespace, words=words, file=file, vector=vector)
    found = session.stores.index.search(
        item.namespace.namespace_id, item.collection.collection_id, name, query, limit=limit
    )
    return [
        {
            "score": hit.score,
            "file": hit.payload["object_key"],
            "snippet": hit.payload["_internal"].get("snippet") or "",
            "document_id": hit.document_id,
            "fields": {key: value for key, value in hit.payload.items() if not key.startswith("_")},
        }
        for hit in found
    ]
