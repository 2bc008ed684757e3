"""Buckets that take up what lands in S3 by themselves, and how they stand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from mixpeek_dagster.catalog.arrivals import DeadLetter
from mixpeek_dagster.catalog.bucket_schema import BucketSchema
from mixpeek_dagster.catalog.buckets import bucket_record, ensure_bucket
from mixpeek_dagster.catalog.catalog import Catalog
from mixpeek_dagster.catalog.records import Batch, Bucket, Namespace, Sync, TaskStatus
from mixpeek_dagster.catalog.repository import PAGE
from mixpeek_dagster.catalog.tenant import NamespaceView
from mixpeek_dagster.errors import InUse, InvalidRequest
from mixpeek_dagster.ingest.report import SeenObject, report
from mixpeek_dagster.s3_url import S3Url
from mixpeek_dagster.stores import Stores

_SHOWN = 20


@dataclass(frozen=True)
class SyncStatus:
    """How a bucket's arrivals stand.

    Args:
        arrivals: how many are in each state.
        batches: unfinished and failed ones, oldest first, then the last finished ones.
        listed_at: when the last whole listing ended, and
        listed_objects: how many objects it held; None before the first.
        listing_now: keys that the present listing has read so far.
        dead_letters: notifications that could not be read.
    """

    bucket: Bucket
    arrivals: dict[str, int]
    batches: list[Batch]
    listed_at: datetime | None
    listed_objects: int | None
    listing_now: int
    dead_letters: list[DeadLetter]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "bucket": self.bucket.bucket_name,
            "location": self.bucket.location,
            "sync": self.bucket.sync.model_dump(mode="json") if self.bucket.sync else None,
            "arrivals": self.arrivals,
            "batches": [batch.model_dump(mode="json") for batch in self.batches],
            "listed_at": self.listed_at.isoformat() if self.listed_at else None,
            "listed_objects": self.listed_objects,
            "listing_now": self.listing_now,
            "dead_letters": [letter.model_dump(mode="json") for letter in self.dead_letters],
        }


def create_bucket(
    catalog: Catalog,
    namespace: Namespace,
    name: str,
    s3_bucket: str,
    *,
    location: str | None = None,
    bucket_schema: BucketSchema | None = None,
) -> Bucket:
    """Make a bucket, in its usual place or over objects that are elsewhere in S3.

    Args:
        location: `s3://bucket/prefix/`; None for the usual place.
        bucket_schema: what is made of the objects' contents, keys and tags.

    Raises:
        InvalidRequest: the name or location cannot be one.
        AlreadyExists: the name is taken.
    """
    bucket = bucket_record(namespace, name, s3_bucket)
    changes: dict[str, Any] = {"bucket_schema": bucket_schema}
    if location is not None:
        changes["location"] = _location(location)
    return catalog.buckets.insert(bucket.model_copy(update=changes))


def bucket_or_new(stores: Stores, view: NamespaceView, bucket: str) -> Bucket:
    """A bucket by id or name; made under that name, in its usual place, if the namespace has none.

    Raises:
        InvalidRequest: the name cannot be one.
    """
    found = view.buckets.find_by_identifier(view.id, bucket)
    return found or ensure_bucket(view.catalog, view.namespace, bucket, stores.settings.s3_bucket)


def set_sync(catalog: Catalog, bucket: Bucket, sync: Sync) -> Bucket:
    """Change how a bucket's arrivals are taken up."""
    changed = bucket.model_copy(update={"sync": sync})
    catalog.buckets.put(changed)
    return changed


def set_schema(catalog: Catalog, bucket: Bucket, bucket_schema: BucketSchema | None) -> Bucket:
    """Change what is made of a bucket's objects; those that were taken up keep what they have until a backfill."""
    changed = bucket.model_copy(update={"bucket_schema": bucket_schema})
    catalog.buckets.put(changed)
    return changed


def backfill(catalog: Catalog, bucket: Bucket) -> int:
    """Have all known objects go through the bucket's collections once more; returns how many they are.

    Rows that are in Qdrant unchanged are not computed again, so what is new is a collection or a schema.

    Raises:
        InvalidRequest: nothing looks at the bucket.
    """
    if bucket.sync is None or not bucket.sync.enabled:
        fix = f"Run `mixpeek bucket sync on {bucket.bucket_name}`"
        raise InvalidRequest(f"bucket {bucket.bucket_name!r}", why="its sync is off, so nothing would run", fix=fix)
    count = 0
    known = iter(catalog.objects.of_bucket(bucket.bucket_id))
    while page := list(islice(known, PAGE)):
        report(catalog, bucket, [SeenObject(item.key, item.blobs[0].etag) for item in page], "backfill")
        catalog.arrivals.again(bucket.bucket_id, [item.key for item in page])
        count += len(page)
    return count


def sync_status(catalog: Catalog, bucket: Bucket) -> SyncStatus:
    """How a bucket's arrivals stand."""
    listing = catalog.listings.find(bucket.bucket_id)
    open_ones = catalog.batches.unfinished(bucket.bucket_id)
    ended = [batch for batch in catalog.batches.of_bucket(bucket.bucket_id) if batch.status and batch.status.terminal]
    failed = [batch for batch in ended if batch.status is TaskStatus.FAILED]
    last = [batch for batch in ended if batch.status is not TaskStatus.FAILED]
    return SyncStatus(
        bucket=bucket,
        arrivals=catalog.arrivals.counts(bucket.bucket_id),
        batches=[*open_ones[:_SHOWN], *failed[:_SHOWN], *last[:5]],
        listed_at=listing.finished_at if listing else None,
        listed_objects=listing.finished_objects if listing and listing.finished_at else None,
        listing_now=listing.listed if listing else 0,
        dead_letters=catalog.dead_letters.of_bucket(bucket.bucket_id, _SHOWN),
    )


def delete_bucket(catalog: Catalog, bucket: Bucket) -> None:
    """Forget a bucket and all that was seen in it; its objects in S3 stay.

    Raises:
        InUse: it feeds a collection.
    """
    collections = catalog.collections.find(bucket.namespace_id)
    fed = [c.collection_name for c in collections if c.source.bucket_id == bucket.bucket_id]
    if fed:
        fix = "Delete these collections first"
        raise InUse(f"bucket {bucket.bucket_name!r}", why=f"it feeds {', '.join(fed)}", fix=fix)
    catalog.buckets.delete(bucket.bucket_id)
    # Else a bucket of the same name would take what lies there for seen.
    for repository in (catalog.arrivals, catalog.dead_letters, catalog.batches, catalog.objects):
        repository.delete_where(bucket_id=bucket.bucket_id)
    catalog.listings.delete(bucket.bucket_id)
    catalog.listings.forget_pages(bucket.bucket_id)


def _location(location: str) -> str:
    try:
        bucket, prefix = S3Url.parse(location)
    except InvalidRequest:
        fix = "Write it as s3://bucket/ or s3://bucket/prefix/"
        raise InvalidRequest(f"location {location!r}", why="it is no place in S3", fix=fix) from None
    return str(S3Url(bucket, prefix if not prefix or prefix.endswith("/") else f"{prefix}/"))
