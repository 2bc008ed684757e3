"""A bucket in S3, in the catalog and in Qdrant, compared: what has drifted apart, and how it comes together again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mixpeek_dagster.catalog.records import Bucket, Collection, Sync
from mixpeek_dagster.ingest.filters import wanted
from mixpeek_dagster.ingest.record import possible_blobs
from mixpeek_dagster.ingest.report import SeenObject, report
from mixpeek_dagster.stores import Stores

_SOURCE = "reconcile"
_PAGE = 5000
_SHOWN = 20


@dataclass
class BucketDrift:
    """What does not agree; all lists hold keys, `orphans` documents' blobs by collection.

    Attributes:
        unseen: in S3, not in the catalog.
        changed: in S3 with another version than in the catalog.
        gone: in the catalog, not in S3.
        without_documents: in the catalog, without a document in any collection that the bucket feeds; rows that were
            filtered or failed are among them.
        orphans: documents in Qdrant of objects that the catalog does not know.
    """

    unseen: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    without_documents: list[str] = field(default_factory=list)
    orphans: dict[str, set[str]] = field(default_factory=dict)

    @property
    def agrees(self) -> bool:
        return not any(self.counts().values())

    def counts(self) -> dict[str, int]:
        """How many there are of each kind."""
        return {
            "unseen": len(self.unseen),
            "changed": len(self.changed),
            "gone": len(self.gone),
            "without_documents": len(self.without_documents),
            "orphans": sum(map(len, self.orphans.values())),
        }

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, with the first few keys of each kind."""
        kinds = ("unseen", "changed", "gone", "without_documents")
        samples = {kind: getattr(self, kind)[:_SHOWN] for kind in kinds}
        return {"agrees": self.agrees, "counts": self.counts(), "samples": samples}


def reconcile(stores: Stores, bucket: Bucket, *, repair: bool = False) -> BucketDrift:
    """Compare all three, and with `repair` enter arrivals for what differs and delete documents of unknown objects.

    Batches that are under way are not waited for: what they hold may show as drift.

    Raises:
        StoreError: a store cannot be used.
    """
    sync = bucket.sync or Sync()
    there = _in_s3(stores, bucket, sync)
    known, blobs = _in_catalog(stores, bucket)
    drift = BucketDrift(
        unseen=sorted(set(there) - set(known)),
        changed=sorted(key for key, etag in there.items() if known.get(key, etag) != etag),
        gone=sorted(set(known) - set(there)),
    )
    covered: set[str] = set()
    collections = [
        collection
        for collection in stores.catalog.collections.find(bucket.namespace_id)
        if collection.source.bucket_id == bucket.bucket_id
    ]
    for collection in collections:
        held = stores.index.blobs_of(bucket.namespace_id, collection.collection_id)
        covered |= held
        if unknown := held - set(blobs):
            drift.orphans[collection.collection_id] = unknown
    if collections:
        with_documents = {blobs[blob] for blob in covered if blob in blobs}
        drift.without_documents = sorted(set(known) & set(there) - with_documents)
    if repair:
        _repair(stores, bucket, drift, there, collections)
    return drift


def _in_s3(stores: Stores, bucket: Bucket, sync: Sync) -> dict[str, str]:
    found: dict[str, str] = {}
    token: str | None = None
    while True:
        page = stores.objects.list_page(bucket.s3_bucket, bucket.prefix, token)
        items = [(key.removeprefix(bucket.prefix), etag, size) for key, etag, size in page.items]
        found |= {key: etag for key, etag, size in items if wanted(sync, key, size)}
        token = page.token
        if token is None:
            return found


def _in_catalog(stores: Stores, bucket: Bucket) -> tuple[dict[str, str], dict[str, str]]:
    """Etag by key, and key by blob."""
    known: dict[str, str] = {}
    blobs: dict[str, str] = {}
    for item in stores.catalog.objects.of_bucket(bucket.bucket_id):
        known[item.key] = item.blobs[0].etag if item.blobs else ""
        blobs |= dict.fromkeys(possible_blobs(bucket, item), item.key)
    return known, blobs


def _repair(
    stores: Stores, bucket: Bucket, drift: BucketDrift, there: dict[str, str], collections: list[Collection]
) -> None:
    catalog = stores.catalog
    seen = [SeenObject(key, there[key]) for key in (*drift.unseen, *drift.changed)]
    seen += [SeenObject(key, "", removed=True) for key in drift.gone]
    for start in range(0, len(seen), _PAGE):
        report(catalog, bucket, seen[start : start + _PAGE], _SOURCE)
    catalog.arrivals.again(bucket.bucket_id, drift.without_documents)
    for collection in collections:
        unknown = sorted(drift.orphans.get(collection.collection_id, ()))
        stores.index.delete_blobs(bucket.namespace_id, collection.collection_id, unknown)
