"""A batch's objects as rows, one per blob."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import pandas as pd

from mixpeek_dagster.catalog.catalog import Catalog
from mixpeek_dagster.catalog.records import Batch, Blob, Object
from mixpeek_dagster.engine import columns
from mixpeek_dagster.errors import MixpeekError
from mixpeek_dagster.ingest.batching import ETAG_HASH, etag_hash
from mixpeek_dagster.storage.objects import Head, ObjectStore

_TEXT = "text"


def blob_frames(
    catalog: Catalog,
    objects: ObjectStore,
    batch: Batch,
    chunk_rows: int,
    max_text_bytes: int,
    vanished: Callable[[int], None] = lambda _: None,
) -> Iterator[pd.DataFrame]:
    """Rows of a batch, at most `chunk_rows` at a time.

    `data` is the text of text blobs and the URL of any other. A text that is too large or cannot be read leaves `data`
    empty and says why in `error`. Document, collection and plugin are not known here and left empty.

    Objects that landed in S3 by themselves can have changed or gone since the batch was made: rows say what holds now,
    and those of objects that are gone are left out. Their removal is another arrival.

    Args:
        vanished: told how many rows were left out.
    """
    blobs = ((item, blob) for item in catalog.objects.of_batch(batch.batch_id) for blob in item.blobs)
    while planned := list(islice(blobs, chunk_rows)):
        chunk = _as_they_are(objects, planned)
        vanished(len(planned) - len(chunk))
        if not chunk:
            continue
        wanted = [blob.url for _, blob in chunk if _readable(blob, max_text_bytes)]
        contents = iter(objects.get_many(wanted))
        rows = [_row(item, blob, contents, max_text_bytes) for item, blob in chunk]
        yield pd.DataFrame(rows, columns=[*columns.VISIBLE, *columns.SOURCE])


def _as_they_are(objects: ObjectStore, planned: list[tuple[Object, Blob]]) -> list[tuple[Object, Blob]]:
    arrived = [blob.url for _, blob in planned if blob.content_hash.startswith(ETAG_HASH)]
    heads = dict(zip(arrived, objects.head_many(arrived), strict=True))
    now = [(item, _refreshed(blob, heads[blob.url]) if blob.url in heads else blob) for item, blob in planned]
    return [(item, blob) for item, blob in now if blob is not None]


def _refreshed(blob: Blob, head: Head | None) -> Blob | None:
    if head is None:
        return None
    changes = {"etag": head.etag, "size_bytes": head.size, "content_hash": etag_hash(head)}
    return blob if head.etag == blob.etag else blob.model_copy(update=changes)


def _readable(blob: Blob, limit: int) -> bool:
    return blob.type == _TEXT and blob.size_bytes <= limit


def _row(item: Object, blob: Blob, contents: Iterator[bytes | MixpeekError], limit: int) -> dict[str, Any]:
    data, error = blob.url, None
    if blob.type == _TEXT:
        data, error = _text(next(contents)) if _readable(blob, limit) else ("", _too_large(blob, limit))
    return {
        "data": data,
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
        "content_hash": blob.content_hash,
        "properties": item.properties,
        "error": error,
    }


def _text(content: bytes | MixpeekError) -> tuple[str, str | None]:
    if isinstance(content, MixpeekError):
        return "", str(content)
    try:
        return content.decode("utf-8-sig"), None
    except UnicodeDecodeError:
        return content.decode("latin-1"), None


def _too_large(blob: Blob, limit: int) -> str:
    return f"the text has {blob.size_bytes} bytes, more than the {limit} of MIXPEEK_MAX_TEXT_BYTES"
