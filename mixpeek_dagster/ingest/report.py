"""Reports of what was seen into the inbox, from whichever source."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from mixpeek_dagster.catalog.arrivals import Arrival, arrival_id
from mixpeek_dagster.catalog.catalog import Catalog
from mixpeek_dagster.catalog.records import Bucket


@dataclass(frozen=True)
class SeenObject:
    """One object as a source saw it.

    Args:
        key: below the bucket's prefix.
        etag: its version; of a removed one the version that was known.
        size_bytes: its size.
        removed: whether it was taken away.
    """

    key: str
    etag: str
    size_bytes: int = 0
    removed: bool = False


def report(catalog: Catalog, bucket: Bucket, seen: Iterable[SeenObject], source: str) -> int:
    """Enter what differs from what is known; returns how many arrivals are new.

    A put of the known version and a removal of an unknown object are no arrivals.
    """
    items = list(seen)
    known = catalog.objects.versions(bucket.bucket_id, [item.key for item in items])
    now = datetime.now(UTC)
    arrivals = [
        _arrival(bucket, item, known.get(item.key, ""), source, now)
        for item in items
        if (item.key in known if item.removed else known.get(item.key) != item.etag)
    ]
    return catalog.arrivals.report(list({arrival.arrival_id: arrival for arrival in arrivals}.values()))


def _arrival(bucket: Bucket, item: SeenObject, known: str, source: str, now: datetime) -> Arrival:
    etag = known if item.removed else item.etag
    return Arrival(
        arrival_id=arrival_id(bucket.bucket_id, item.key, etag, removed=item.removed),
        bucket_id=bucket.bucket_id,
        namespace_id=bucket.namespace_id,
        key=item.key,
        etag=etag,
        size_bytes=item.size_bytes,
        removed=item.removed,
        source=source,
        seen_at=now,
        updated_at=now,
    )
