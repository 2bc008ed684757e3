"""Arrivals found by listing a bucket: pages of ListObjectsV2, as many as fit into a tick, then on from the saved token.

Only continuation tokens are used, never a key to start after: not every S3 server lists in byte order. A cycle ends
with a look for known objects that no page held; each is asked for by name before it counts as removed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from mixpeek_dagster.catalog.arrivals import Listing, key_hash
from mixpeek_dagster.catalog.catalog import Catalog
from mixpeek_dagster.catalog.records import Bucket, Sync
from mixpeek_dagster.ingest.filters import wanted
from mixpeek_dagster.ingest.report import SeenObject, report
from mixpeek_dagster.objects.object_store import ListedPage, ObjectStore

_SOURCE = "listing"
_CHECK_PAGE = 5000


@dataclass
class Listed:
    """What one tick's listing came to."""

    keys: int = 0
    pages: int = 0
    new: int = 0
    cycle_finished: bool = False


def list_arrivals(
    catalog: Catalog, objects: ObjectStore, bucket: Bucket, sync: Sync, *, seconds: float, clock: Callable[[], float]
) -> Listed:
    """Go on with the bucket's listing for so many seconds, at least one page; at most to the end of its cycle.

    Raises:
        StoreUnavailable: S3 or MongoDB does not answer; what was read so far is kept.
    """
    deadline = clock() + seconds
    listing = catalog.listings.find(bucket.bucket_id) or _first(bucket)
    done = Listed()
    while listing.checking is None:
        page = _page(objects, bucket, listing)
        items = [_seen(bucket, item) for item in page.items]
        counted = [item for item in items if wanted(sync, item.key, item.size_bytes)]
        done.new += report(catalog, bucket, counted, _SOURCE)
        catalog.listings.note_page(listing, [item.key for item in counted])
        done.keys, done.pages = done.keys + len(items), done.pages + 1
        listing = _after(listing, page, len(counted))
        catalog.listings.put(listing)
        if clock() >= deadline:
            return done
    return _check_absent(catalog, objects, bucket, listing, done, deadline, clock)


def _first(bucket: Bucket) -> Listing:
    now = datetime.now(UTC)
    return Listing(bucket_id=bucket.bucket_id, namespace_id=bucket.namespace_id, started_at=now, updated_at=now)


def _page(objects: ObjectStore, bucket: Bucket, listing: Listing) -> ListedPage:
    return objects.list_page(bucket.s3_bucket, bucket.prefix, listing.token)


def _seen(bucket: Bucket, item: tuple[str, str, int]) -> SeenObject:
    key, etag, size = item
    return SeenObject(key.removeprefix(bucket.prefix), etag, size)


def _after(listing: Listing, page: ListedPage, counted: int) -> Listing:
    changes = {
        "page": listing.page + 1,
        "token": page.token,
        "checking": None if page.token else "",
        "listed": listing.listed + counted,
        "updated_at": datetime.now(UTC),
    }
    return listing.model_copy(update=changes)


def _check_absent(
    catalog: Catalog,
    objects: ObjectStore,
    bucket: Bucket,
    listing: Listing,
    done: Listed,
    deadline: float,
    clock: Callable[[], float],
) -> Listed:
    found = catalog.listings.keys_of(listing)
    while True:
        known = catalog.objects.after(bucket.bucket_id, listing.checking or "", _CHECK_PAGE)
        # What was entered after the cycle began may have landed on a page that was read before.
        missing = [(k, etag) for k, etag, at in known if key_hash(k) not in found and at < listing.started_at]
        done.new += _report_absent(catalog, objects, bucket, missing)
        if len(known) < _CHECK_PAGE:
            break
        listing = listing.model_copy(update={"checking": known[-1][0], "updated_at": datetime.now(UTC)})
        catalog.listings.put(listing)
        if clock() >= deadline:
            return done
    catalog.listings.forget_pages(bucket.bucket_id)
    catalog.listings.put(_next_cycle(listing))
    done.cycle_finished = True
    return done


def _report_absent(catalog: Catalog, objects: ObjectStore, bucket: Bucket, missing: Sequence[tuple[str, str]]) -> int:
    urls = [bucket.url(key) for key, _ in missing]
    heads = objects.head_many(urls)
    gone = [
        SeenObject(key, etag, removed=True) for (key, etag), head in zip(missing, heads, strict=True) if head is None
    ]
    return report(catalog, bucket, gone, _SOURCE)


def _next_cycle(listing: Listing) -> Listing:
    now = datetime.now(UTC)
    return Listing(
        bucket_id=listing.bucket_id,
        namespace_id=listing.namespace_id,
        cycle=listing.cycle + 1,
        started_at=now,
        updated_at=now,
        finished_at=now,
        finished_objects=listing.listed,
    )
