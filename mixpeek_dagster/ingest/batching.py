"""Arrivals into batches.

A batch is put together in steps that can be repeated: a DRAFT is entered, arrivals are claimed for it, S3 is asked what
holds now, objects and members are written, and only then is it PENDING. A draft that a killed process left is finished
by the next one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from mixpeek_dagster import ids
from mixpeek_dagster.catalog.arrivals import Arrival, ArrivalState
from mixpeek_dagster.catalog.catalog import Catalog
from mixpeek_dagster.catalog.records import Batch, Blob, Bucket, Object, Sync, TaskStatus
from mixpeek_dagster.ingest.mime import blob_type, detect_mime
from mixpeek_dagster.ingest.upload import PROPERTY
from mixpeek_dagster.objects.listing import Head
from mixpeek_dagster.objects.object_store import ObjectStore

ETAG_HASH = "etag:"
"""Begins the content hash of what is known by its version in S3 alone."""
_NO_TEXT = b"\0"
_GENERIC = frozenset({"", "application/octet-stream", "binary/octet-stream", "application/x-www-form-urlencoded"})


@dataclass(frozen=True)
class Truth:
    """What S3 holds under a key now; None if nothing."""

    key: str
    head: Head | None


def form_batch(catalog: Catalog, objects: ObjectStore, bucket: Bucket, sync: Sync, now: datetime) -> Batch | None:
    """Make a batch of what waits, if it is enough or has waited long enough; None if not."""
    waiting = catalog.arrivals.waiting(bucket.bucket_id, sync.batch_objects)
    if not waiting or not _due(waiting, sync, now):
        return None
    batch = Batch(
        batch_id=ids.new_id(ids.Prefix.BATCH),
        bucket_id=bucket.bucket_id,
        namespace_id=bucket.namespace_id,
        object_count=0,
        content_hash="",
        created_at=now,
        status=TaskStatus.DRAFT,
    )
    catalog.batches.insert(batch)
    catalog.arrivals.claim(_fitting(waiting, sync.batch_bytes), batch.batch_id)
    return finish_draft(catalog, objects, bucket, batch)


def finish_draft(catalog: Catalog, objects: ObjectStore, bucket: Bucket, batch: Batch) -> Batch | None:
    """Put a draft together from the arrivals that were claimed for it; None if nothing of them holds any more."""
    arrivals = catalog.arrivals.of_batch(batch.batch_id)
    keys = list(dict.fromkeys(arrival.key for arrival in arrivals))
    asked_at = datetime.now(UTC)
    truths = _ask(objects, bucket, keys)
    present = [_object(bucket, truth.key, truth.head) for truth in truths if truth.head is not None]
    known = {item.key: item for item in catalog.objects.with_keys(bucket.bucket_id, keys)}
    removed = [known[truth.key] for truth in truths if truth.head is None and truth.key in known]
    catalog.objects.join_batch(batch.batch_id, present)
    catalog.objects.join_batch(batch.batch_id, removed, removed=True)
    catalog.objects.put_many(present)
    catalog.objects.forget(removed)
    _retire_others(catalog, batch, arrivals, truths, asked_at)
    # A draft that was finished once and killed before it was said so has its removals among the members only.
    removals = sum(1 for _ in catalog.objects.of_batch(batch.batch_id, removed=True))
    if not present and not removals:
        catalog.arrivals.close_batch(batch.batch_id, ArrivalState.GONE)
        catalog.batches.delete(batch.batch_id)
        return None
    changes = {
        "status": TaskStatus.PENDING.value,
        "object_count": len(present),
        "removed_count": removals,
        "content_hash": _digest(present),
    }
    catalog.batches.record_status(batch.batch_id, **changes)
    return catalog.batches.get(batch.batch_id)


def etag_hash(head: Head) -> str:
    """Content hash of what is known by its version alone."""
    return f"{ETAG_HASH}{head.etag}:{head.size}"


def _due(waiting: Sequence[Arrival], sync: Sync, now: datetime) -> bool:
    enough = len(waiting) >= sync.batch_objects or sum(a.size_bytes for a in waiting) >= sync.batch_bytes
    return enough or (now - waiting[0].seen_at).total_seconds() >= sync.batch_seconds


def _fitting(waiting: Iterable[Arrival], most_bytes: int) -> list[Arrival]:
    """The first ones that fit; at least one, however large."""
    fitting: list[Arrival] = []
    total = 0
    for arrival in waiting:
        total += arrival.size_bytes
        if fitting and total > most_bytes:
            break
        fitting.append(arrival)
    return fitting


def _ask(objects: ObjectStore, bucket: Bucket, keys: Sequence[str]) -> list[Truth]:
    urls = [bucket.url(key) for key in keys]
    return [Truth(key, head) for key, head in zip(keys, objects.head_many(urls), strict=True)]


def _object(bucket: Bucket, key: str, head: Head) -> Object:
    object_id = ids.derived_id(ids.Prefix.OBJECT, bucket.bucket_id, key)
    mime_type = _mime_type(key, head)
    blob = Blob(
        blob_id=ids.blob_id(object_id, PROPERTY),
        property=PROPERTY,
        type=blob_type(mime_type),
        url=bucket.url(key),
        mime_type=mime_type,
        size_bytes=head.size,
        etag=head.etag,
        content_hash=etag_hash(head),
    )
    return Object(
        object_id=object_id,
        bucket_id=bucket.bucket_id,
        namespace_id=bucket.namespace_id,
        key=key,
        blobs=(blob,),
        properties=dict(head.metadata),
        updated_at=datetime.now(UTC),
    )


def _mime_type(key: str, head: Head) -> str:
    """By the key's ending if that says it: some servers make a type up where the writer said none."""
    by_name = detect_mime(key, _NO_TEXT)
    told = head.content_type.partition(";")[0].strip().lower()
    return told if by_name in _GENERIC and told not in _GENERIC else by_name


def _retire_others(
    catalog: Catalog, batch: Batch, arrivals: Sequence[Arrival], truths: Sequence[Truth], asked_at: datetime
) -> None:
    """What this batch holds was the newest of its keys when S3 was asked, so all that was said before is over."""
    newest = {truth.key: truth.head.etag if truth.head else None for truth in truths}
    stale = [a.arrival_id for a in arrivals if (None if a.removed else a.etag) != newest[a.key]]
    others = catalog.arrivals.others_of(batch.bucket_id, list(newest), batch.batch_id, asked_at)
    catalog.arrivals.retire([*stale, *others])


def _digest(items: Sequence[Object]) -> str:
    digest = hashlib.sha256()
    for item in sorted(items, key=lambda item: item.key):
        digest.update(f"{item.key}\0{item.blobs[0].content_hash}\0".encode())
    return digest.hexdigest()
