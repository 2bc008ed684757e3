"""First op: which of the batch's rows go through the steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pandas as pd

from mixpeek_dagster import ids
from mixpeek_dagster.index.payload import fingerprint
from mixpeek_dagster.plugins.pipeline import as_step
from mixpeek_dagster.rows import columns
from mixpeek_dagster.rows.rows import RowsWriter
from mixpeek_dagster.rows.select import Selection
from mixpeek_dagster.rows.state import begin
from mixpeek_dagster.runs.context import CollectionRun
from mixpeek_dagster.runs.flow import Flow
from mixpeek_dagster.runs.frames import Frames
from mixpeek_dagster.runs.records import record_start
from mixpeek_dagster.runs.upstream import upstream_rows
from mixpeek_dagster.steps.runner import run_step

_SOURCE = "source_id"


def select_rows(run: CollectionRun, blobs: Frames, *, recompute: bool) -> tuple[Flow, dict[str, Any]]:
    """Filter rows, fill the plugin's input fields, and mark what is unchanged since it was last written.

    The namespace's vectors are made first, so that a clash costs no compute.

    Raises:
        VectorClash: a feature's name is held in Qdrant with another size or distance.
        MixpeekError: a store cannot be used.
    """
    record_start(run)
    features = [(f.name, f.dimension, f.distance.value) for f in run.spec.features]
    created = run.stores.index.ensure_vectors(run.namespace.namespace_id, features)
    states: Counter[str] = Counter()
    with RowsWriter(run.spool("select_rows"), run.vectors, run.settings.chunk_rows) as writer:
        for frame in _sources(run, blobs):
            selected = _select(run, frame, recompute=recompute)
            states.update(selected[columns.STATE])
            writer.append(selected)
    flow = _prepare(run, Flow(writer.rows(), fetched=states.total()))
    return flow, {"vectors_created": ", ".join(created), "rows": states.total(), **states}


def _sources(run: CollectionRun, blobs: Frames) -> Iterator[pd.DataFrame]:
    for frame in blobs:
        sources = upstream_rows(run, frame) if run.upstream else _blob_rows(run, frame)
        if len(sources):
            yield sources


def _blob_rows(run: CollectionRun, frame: pd.DataFrame) -> pd.DataFrame:
    namespace, collection = run.namespace.namespace_id, run.collection.collection_id
    keys = zip(frame["object_key"], frame["blob_property"], strict=True)
    return frame.assign(
        document_id=[ids.document_id(namespace, collection, key, prop) for key, prop in keys],
        collection_id=collection,
        feature_extractor_id=run.spec.plugin_id,
        **{_SOURCE: frame["blob_id"]},
    )


def _select(run: CollectionRun, frame: pd.DataFrame, *, recompute: bool) -> pd.DataFrame:
    selection = Selection(begin(frame, _SOURCE).drop(columns=_SOURCE))
    if run.upstream is None:
        selection.leave_out_absent()
    selection.filter(run.collection.source.source_filters, run.spec.supported_input_types)
    selection.map_inputs(run.spec.input_fields, run.collection.input_mappings)
    if not recompute:
        selection.mark_reused(_unchanged(run, selection.live_rows()))
    return selection.result()


def _unchanged(run: CollectionRun, rows: pd.DataFrame) -> dict[str, int]:
    """Sources whose documents are all in Qdrant under the same content, code and parameters, with their number."""
    pairs = zip(rows[columns.SOURCE_ID], rows["content_hash"], strict=True)
    wanted = {source: fingerprint(run.config_hash, content) for source, content in pairs}
    held = run.stores.index.kept(run.namespace.namespace_id, run.collection.collection_id, list(wanted))
    return {
        source: found.documents
        for source, found in held.items()
        if found.fingerprint == wanted[source] and found.documents == found.siblings
    }


def _prepare(run: CollectionRun, flow: Flow) -> Flow:
    """The plugin's `prepare`, which sees all rows before the first step; it counts as no step for the conditions."""
    if run.pipeline.prepare is None:
        return flow
    with RowsWriter(run.spool("prepare"), run.vectors, run.settings.chunk_rows) as writer:
        step = as_step(run.pipeline.prepare)
        report = run_step(step, flow.rows, writer, batch_size=run.settings.chunk_rows, counts=False)
    flow.rows.delete()
    return flow.after(writer.rows(), report)
