"""Many rows of 1,024-d vectors through the engine, without a model: `python many_rows.py ROWS`.

The rows are kept as the bucket's blobs right away: uploading as many objects would take longer than all the rest. From
there on it is a run like any other: select, a step that makes the vectors, keep, documents. Prints the peak memory of
the run's process.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from bench.engine_variants.collection_run import run
from bench.engine_variants.measuring import finish
from mixpeek_dagster import ids
from mixpeek_dagster.catalog.buckets import ensure_bucket
from mixpeek_dagster.catalog.records import Batch, Bucket, SourceReference
from mixpeek_dagster.cli.session import Session, open_session
from mixpeek_dagster.dagster_home.runs import add_batch
from mixpeek_dagster.graph import names
from mixpeek_dagster.operations.collections import create_collection, delete_collection
from mixpeek_dagster.rows import columns
from mixpeek_dagster.rows.parquet import write_part

_PLUGIN = Path(__file__).with_name("plugins") / "wide_vectors"


def main(count: str) -> None:
    """Measure."""
    rows, name = int(count), f"rows_{count}"
    with open_session() as session:
        bucket = ensure_bucket(session.stores.catalog, session.namespace, name, session.settings.s3_bucket)
        batch = _batch(session, bucket, rows)
        source = SourceReference(type="bucket", bucket_id=bucket.bucket_id)
        collection = create_collection(session.stores, session.namespace, name, plugin=_PLUGIN, source=source)
        result = run(session, session.compilable(name), batch.batch_id)
        delete_collection(session.stores, collection)
    finish(**result)


def _batch(session: Session, bucket: Bucket, rows: int) -> Batch:
    """A batch whose blobs are kept, as if they had been read from S3."""
    batch = Batch(
        batch_id=ids.new_id(ids.Prefix.BATCH),
        bucket_id=bucket.bucket_id,
        namespace_id=bucket.namespace_id,
        object_count=rows,
        content_hash="",
        created_at=datetime.now(UTC),
    )
    session.stores.catalog.batches.insert(batch)
    key = names.blobs_key(session.namespace.address, bucket.bucket_name)
    parts = (write_part(frame, frozenset()) for frame in _frames(bucket, rows, session.settings.chunk_rows))
    session.stores.artifacts.write("/".join([*key.path, batch.batch_id]), parts, {})
    with session.dagster() as instance:
        add_batch(instance, session.namespace.address, bucket.bucket_name, batch.batch_id)
    return batch


def _frames(bucket: Bucket, rows: int, chunk_rows: int) -> Iterator[pd.DataFrame]:
    for start in range(0, rows, chunk_rows):
        numbers = range(start, min(rows, start + chunk_rows))
        yield pd.DataFrame([_row(bucket, number) for number in numbers], columns=[*columns.VISIBLE, *columns.SOURCE])


def _row(bucket: Bucket, number: int) -> dict[str, object]:
    text = f"row {number} of many, as short as a row may be"
    key = f"{number:07d}.txt"
    object_id = ids.derived_id(ids.Prefix.OBJECT, bucket.bucket_id, key)
    return {
        "data": text,
        "document_id": "",
        "object_id": object_id,
        "blob_id": ids.blob_id(object_id, "content"),
        "blob_property": "content",
        "blob_type": "text",
        "collection_id": "",
        "feature_extractor_id": "",
        "mime_type": "text/plain",
        "size_bytes": len(text),
        "object_key": key,
        "etag": "",
        "content_hash": hashlib.sha256(text.encode()).hexdigest(),
        "properties": {},
        "error": None,
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
