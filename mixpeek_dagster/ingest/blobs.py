"""A batch's objects as rows, one per blob."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from itertools import islice, repeat
from typing import Any

import pandas as pd

from mixpeek_dagster.catalog.bucket_schema import BucketSchema
from mixpeek_dagster.catalog.catalog import Catalog
from mixpeek_dagster.catalog.records import Batch, Blob, Bucket, Object
from mixpeek_dagster.errors import MixpeekError
from mixpeek_dagster.ingest.batching import ETAG_HASH, etag_hash
from mixpeek_dagster.ingest.record import BlobRow, is_record, read_record, typed
from mixpeek_dagster.objects.object_store import Head, ObjectStore
from mixpeek_dagster.rows import columns

_TEXT = "text"
_Planned = tuple[Object, Blob]


def blob_frames(
    catalog: Catalog,
    objects: ObjectStore,
    batch: Batch,
    chunk_rows: int,
    max_text_bytes: int,
    vanished: Callable[[int], None] = lambda _: None,
) -> Iterator[pd.DataFrame]:
    """Rows of a batch, at most `chunk_rows` at a time.

    `data` is the text of text blobs, the URL of any other, and empty for a field that a record does not have. A text
    that is too large or cannot be read says why in `error`. Document, collection and plugin are not known here and
    left empty.

    Objects that landed in S3 by themselves can have changed or gone since the batch was made: rows say what holds now,
    and those of objects that are gone are left out. Their removal is another arrival.

    Args:
        vanished: told how many objects were left out.
    """
    bucket = catalog.buckets.get(batch.bucket_id)
    blobs = ((item, blob) for item in catalog.objects.of_batch(batch.batch_id) for blob in item.blobs)
    while planned := list(islice(blobs, chunk_rows)):
        chunk = _as_they_are(objects, planned)
        vanished(len(planned) - len(chunk))
        rows = list(_rows(objects, bucket, chunk, max_text_bytes))
        for start in range(0, len(rows), chunk_rows):
            yield pd.DataFrame(rows[start : start + chunk_rows], columns=[*columns.VISIBLE, *columns.SOURCE])


def _as_they_are(objects: ObjectStore, planned: list[_Planned]) -> list[_Planned]:
    arrived = [blob.url for _, blob in planned if blob.content_hash.startswith(ETAG_HASH)]
    heads = dict(zip(arrived, objects.head_many(arrived), strict=True))
    now = [_refreshed(item, blob, heads[blob.url]) if blob.url in heads else (item, blob) for item, blob in planned]
    return [pair for pair in now if pair is not None]


def _refreshed(item: Object, blob: Blob, head: Head | None) -> _Planned | None:
    if head is None:
        return None
    changes = {"etag": head.etag, "size_bytes": head.size, "content_hash": etag_hash(head)}
    return item.model_copy(update={"properties": dict(head.metadata)}), blob.model_copy(update=changes)


def _rows(objects: ObjectStore, bucket: Bucket, chunk: list[_Planned], limit: int) -> Iterator[dict[str, Any]]:
    contents = iter(objects.get_many([blob.url for _, blob in chunk if _readable(blob, limit)]))
    for (item, blob), (own, problem) in zip(chunk, _own_properties(objects, bucket, chunk), strict=True):
        content = next(contents) if _readable(blob, limit) else None
        for piece in _pieces(bucket, item, blob, content, limit):
            yield _row(item, piece, {**own, **piece.properties}, piece.error or problem)


def _own_properties(
    objects: ObjectStore, bucket: Bucket, chunk: list[_Planned]
) -> Iterator[tuple[dict[str, Any], str | None]]:
    """What keys and tags say of the objects, and what is wrong with it."""
    schema = bucket.bucket_schema or BucketSchema()
    urls = [blob.url for _, blob in chunk]
    tags = objects.tags_many(urls) if schema.tags else repeat({}, len(urls))
    for (item, _), tagged in zip(chunk, tags, strict=True):
        properties, problem = typed(schema, {**schema.key_parts(item.key), **tagged})
        yield properties, problem and f"{item.key}: {problem}"


def _readable(blob: Blob, limit: int) -> bool:
    return blob.type == _TEXT and blob.size_bytes <= limit


def _pieces(
    bucket: Bucket, item: Object, blob: Blob, content: bytes | MixpeekError | None, limit: int
) -> Iterator[BlobRow]:
    if content is None:
        yield BlobRow(blob, "", error=_too_large(blob, limit)) if blob.type == _TEXT else BlobRow(blob, blob.url)
    elif isinstance(content, MixpeekError):
        yield BlobRow(blob, "", error=str(content))
    elif is_record(bucket.bucket_schema, blob):
        yield from read_record(bucket, item, blob, content)
    else:
        yield BlobRow(blob, _text(content))


def _row(item: Object, piece: BlobRow, properties: dict[str, Any], error: str | None) -> dict[str, Any]:
    blob = piece.blob
    return {
        "data": piece.data,
        "document_id": "",
        "object_id": item.object_id,
        "blob_id": blob.blob_id,
        "blob_property": blob.property,
        "blob_type": blob.type,
        "collection_id": "",
        "feature_extractor_id": "",
        "mime_type": blob.mime_type,
        "size_bytes": blob.size_bytes,
        "object_key": item.key,
        "etag": blob.etag,
        "content_hash": f"{blob.content_hash}{_digest(properties)}",
        "properties": {**item.properties, **properties},
        "error": error,
    }


def _digest(properties: dict[str, Any]) -> str:
    """What a schema makes of an object is a part of its content: other properties are another document."""
    if not properties:
        return ""
    text = json.dumps(properties, sort_keys=True, ensure_ascii=False)
    return ":" + hashlib.sha256(text.encode()).hexdigest()[:16]


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _too_large(blob: Blob, limit: int) -> str:
    return f"the text has {blob.size_bytes} bytes, more than the {limit} of MIXPEEK_MAX_TEXT_BYTES"
