"""Searching a collection: its own steps make the query's vector, so that it lies in the documents' space."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mixpeek_dagster import ids
from mixpeek_dagster.catalog.records import Collection, Namespace
from mixpeek_dagster.catalog.tenant import NamespaceView
from mixpeek_dagster.errors import InvalidRequest, NotFound
from mixpeek_dagster.ingest.mime import blob_type, detect_mime
from mixpeek_dagster.plugins.loading import load_plugin
from mixpeek_dagster.plugins.plugin import LoadedPlugin
from mixpeek_dagster.rows import columns
from mixpeek_dagster.rows.rows import RowsWriter
from mixpeek_dagster.rows.select import map_inputs
from mixpeek_dagster.rows.state import RowState, begin
from mixpeek_dagster.rows.vectors import check_vectors
from mixpeek_dagster.runs.flow import Flow
from mixpeek_dagster.steps.runner import run_step
from mixpeek_dagster.stores import Stores


@dataclass(frozen=True)
class FoundDocument:
    """A found document.

    Args:
        score: how near it is; larger is nearer.
        file: key of its object.
        fields: what the document holds.
    """

    score: float
    file: str
    snippet: str
    document_id: str
    fields: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def find(
    stores: Stores,
    view: NamespaceView,
    collection: str,
    *,
    words: str | None = None,
    file: Path | None = None,
    vector: str | None = None,
    limit: int = 5,
) -> list[FoundDocument]:
    """The nearest documents of a collection, by id or name. The plugin's code runs in this process.

    Args:
        vector: which of the plugin's vectors; its first if None.

    Raises:
        InvalidRequest: not exactly one of words and file.
        NotFound: no such collection, vector or file.
    """
    require_one_query(words, file)
    record = view.collections.get_by_identifier(view.id, collection)
    plugin = load_plugin(stores.plugins.folder(record.plugin))
    with stores.serve_models(view.id):
        name, query = embed_query(plugin, record, view.namespace, words=words, file=file, vector=vector)
    found = stores.index.search(view.id, record.collection_id, name, query, limit=limit)
    return [
        FoundDocument(
            score=hit.score,
            file=hit.payload["object_key"],
            snippet=hit.payload["_internal"].get("snippet") or "",
            document_id=hit.document_id,
            fields={key: value for key, value in hit.payload.items() if not key.startswith("_")},
        )
        for hit in found
    ]


def require_one_query(words: str | None, file: Path | None) -> None:
    """Refuse a search by both or by nothing.

    Raises:
        InvalidRequest: there is not exactly one.
    """
    if (words is None) == (file is None):
        raise InvalidRequest("a search", why="give either words or --file")


def embed_query(
    plugin: LoadedPlugin,
    collection: Collection,
    namespace: Namespace,
    *,
    words: str | None,
    file: Path | None,
    vector: str | None = None,
) -> tuple[str, npt.NDArray[np.float32]]:
    """Run the plugin's steps on one row and take the vector it makes.

    Args:
        vector: name of the wanted vector; the plugin's first if None.

    Returns:
        The vector's name and its numbers, float32, one dimension.

    Raises:
        InvalidRequest: the plugin declares no such vector, or makes none of this query.
        NotFound: there is no such file.
    """
    name = _vector_name(plugin, vector)
    row = begin(pd.DataFrame([_file_row(file) if file else _text_row(words or "")]))
    mapped = map_inputs(row, plugin.spec.input_fields, collection.input_mappings)
    with tempfile.TemporaryDirectory(prefix="mixpeek-query-") as folder:
        checked = _run(plugin, namespace, collection, mapped, Path(folder))
    live = checked[checked[columns.STATE] == RowState.LIVE]
    if live.empty or not isinstance(live[name].iloc[0], np.ndarray):
        why = checked[columns.MESSAGE].iloc[0] or f"no step made {name!r} of it"
        raise InvalidRequest("this query", why=f"plugin {plugin.spec.plugin_id} cannot embed it: {why}")
    return name, live[name].iloc[0]


def _run(
    plugin: LoadedPlugin, namespace: Namespace, collection: Collection, frame: pd.DataFrame, folder: Path
) -> pd.DataFrame:
    vectors = frozenset(feature.name for feature in plugin.spec.features)
    with RowsWriter(folder / "query", vectors, 1) as writer:
        writer.append(frame)
    flow = Flow(writer.rows())
    pipeline = plugin.build_pipeline(
        collection.parameters, collection_id=collection.collection_id, namespace_id=namespace.namespace_id
    )
    for number, step in enumerate(pipeline.steps):
        with RowsWriter(folder / str(number), vectors, 1) as writer:
            report = run_step(step, flow.rows, writer, batch_size=1)
        flow = flow.after(writer.rows(), report)
    return check_vectors(next(flow.rows.chunks()), plugin.spec.features, flow.producers())


def _vector_name(plugin: LoadedPlugin, wanted: str | None) -> str:
    known = [feature.name for feature in plugin.spec.features]
    if not known:
        raise InvalidRequest(f"plugin {plugin.spec.plugin_id!r}", why="it makes no vectors, so nothing can be searched")
    if wanted is not None and wanted not in known:
        raise InvalidRequest(f"vector {wanted!r}", why=f"plugin {plugin.spec.plugin_id} makes {', '.join(known)}")
    return wanted or known[0]


def _text_row(words: str) -> Mapping[str, Any]:
    return _row(words, "query.txt", "text/plain", len(words.encode()))


def _file_row(file: Path) -> Mapping[str, Any]:
    if not file.is_file():
        raise NotFound(f"file {str(file)!r}")
    with file.open("rb") as stream:
        mime_type = detect_mime(file.name, stream.read(8192))
    data = file.read_text(encoding="utf-8", errors="replace") if blob_type(mime_type) == "text" else str(file.resolve())
    return _row(data, file.name, mime_type, file.stat().st_size)


def _row(data: str, key: str, mime_type: str, size: int) -> Mapping[str, Any]:
    document = ids.document_id("query", "query", key, "content")
    names = {"document_id": document, "object_id": "query", "blob_id": "query", "blob_property": "content"}
    typed = {"blob_type": blob_type(mime_type), "mime_type": mime_type, "size_bytes": size}
    source = {"object_key": key, "etag": "", "content_hash": "", "properties": {}}
    return {"data": data, **names, "collection_id": "", "feature_extractor_id": "", **typed, **source, "error": None}
