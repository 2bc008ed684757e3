"""Listings: how far a bucket is listed, and which keys the cycle has found."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pymongo import ASCENDING

from mixpeek_dagster.catalog.connection import mongodb_errors
from mixpeek_dagster.catalog.records import Record
from mixpeek_dagster.catalog.repository import Repository
from mixpeek_dagster.schema_version import FIELD

_HASH_BYTES = 8
PAGE_VERSION = 1
"""Schema version of the hashes that a page of a listing leaves."""


class Listing(Record):
    """Where the listing of a bucket stands.

    `token` continues a cycle over the whole bucket; `checking` is the last known key whose absence was looked into,
    once all pages of the cycle were read.
    """

    bucket_id: str
    namespace_id: str
    cycle: int = 1
    page: int = 0
    token: str | None = None
    checking: str | None = None
    listed: int = 0
    started_at: datetime
    updated_at: datetime
    finished_at: datetime | None = None
    finished_objects: int = 0


def key_hash(key: str) -> bytes:
    """Eight bytes that stand for a key where a million of them are compared."""
    return hashlib.blake2b(key.encode(), digest_size=_HASH_BYTES).digest()


class Listings(Repository[Listing]):
    """Where each bucket's listing stands, with the hashes of the keys that its cycle has found so far."""

    kind, record, key = "listing", Listing, "bucket_id"

    def find(self, bucket_id: str) -> Listing | None:
        """A bucket's listing, or None if there was none yet."""
        return self._find_one({"_id": bucket_id})

    def note_page(self, listing: Listing, keys: Iterable[str]) -> None:
        """Keep which keys a page of the cycle held."""
        page = {
            "_id": f"{listing.bucket_id}:{listing.cycle}:{listing.page}",
            "bucket_id": listing.bucket_id,
            "namespace_id": listing.namespace_id,
            "cycle": listing.cycle,
            "keys": b"".join(map(key_hash, keys)),
            FIELD: PAGE_VERSION,
        }
        with mongodb_errors(self._url):
            self._pages.replace_one({"_id": page["_id"]}, page, upsert=True)

    def keys_of(self, listing: Listing) -> set[bytes]:
        """Hashes of all keys that the cycle has found."""
        found: set[bytes] = set()
        with mongodb_errors(self._url):
            for page in self._pages.find({"bucket_id": listing.bucket_id, "cycle": listing.cycle}):
                keys = page["keys"]
                found.update(keys[at : at + _HASH_BYTES] for at in range(0, len(keys), _HASH_BYTES))
        return found

    def forget_pages(self, bucket_id: str) -> None:
        """Drop what is kept of a bucket's cycles."""
        with mongodb_errors(self._url):
            self._pages.delete_many({"bucket_id": bucket_id})

    def create_indexes(self) -> None:
        """Make the indexes that are not there."""
        super().create_indexes()
        with mongodb_errors(self._url):
            self._pages.create_index([("bucket_id", ASCENDING), ("cycle", ASCENDING)])

    @property
    def _pages(self) -> Any:
        return self._collection.database["listing_pages"]
