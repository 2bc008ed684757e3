"""Documents of a collection as source rows of the collection that it feeds."""

from __future__ import annotations

import pandas as pd

from mixpeek_dagster import ids
from mixpeek_dagster.errors import InvalidRequest
from mixpeek_dagster.index.payload import fingerprint_of
from mixpeek_dagster.index.payload import internal as internal_of
from mixpeek_dagster.runs.context import CollectionRun


def upstream_rows(run: CollectionRun, blobs: pd.DataFrame) -> pd.DataFrame:
    """One row per upstream document of the given blobs.

    The ten columns are those of the document's blob; the document's own fields are its `properties`, so that the
    plugin's input fields can be mapped to them.
    """
    upstream = run.upstream
    if upstream is None:
        raise InvalidRequest(f"collection {run.collection.collection_name!r}", why="no collection feeds it")
    documents = run.stores.index.documents_of(
        run.namespace.namespace_id, upstream.collection_id, blobs["blob_id"].tolist()
    )
    by_blob = blobs.set_index("blob_id")
    rows = [
        {
            **by_blob.loc[internal["blob_id"]].to_dict(),
            "blob_id": internal["blob_id"],
            "document_id": ids.child_document_id(document["document_id"], run.collection.collection_id),
            "source_id": document["document_id"],
            "collection_id": run.collection.collection_id,
            "feature_extractor_id": run.spec.plugin_id,
            "content_hash": f"{fingerprint_of(internal)}:{document['document_id']}",
            "properties": {name: value for name, value in document.items() if not name.startswith("_")},
        }
        for document, internal in ((document, internal_of(document)) for document in documents)
    ]
    return pd.DataFrame(rows, columns=[*blobs.columns, "source_id"])
