"""Leases: who works on a bucket's arrivals, so that two sensors cannot make two batches of the same ones."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from mixpeek_dagster.catalog.connection import mongodb_errors
from mixpeek_dagster.catalog.records import Record
from mixpeek_dagster.catalog.repository import Repository
from mixpeek_dagster.errors import AlreadyExists


class Lease(Record):
    """Who works on a bucket's arrivals, and until when at the latest."""

    bucket_id: str
    owner: str
    until: datetime


class Leases(Repository[Lease]):
    """One owner per bucket, so that two sensors cannot make two batches of the same arrivals."""

    kind, record, key = "lease", Lease, "bucket_id"

    def acquire(self, lease: Lease, is_dead: Callable[[str], bool]) -> bool:
        """Become the owner, if there is none or the last one is over or dead; returns whether it worked."""
        try:
            self.insert(lease)
        except AlreadyExists:
            held = self._find_one({"_id": lease.bucket_id})
        else:
            return True
        if held is None:
            return self.acquire(lease, is_dead)
        if held.until > datetime.now(UTC) and not is_dead(held.owner):
            return False
        return self.replace(lease, owner=held.owner, until=held.until)

    def release(self, lease: Lease) -> None:
        """Stop being the owner."""
        with mongodb_errors(self._url):
            self._collection.delete_one(self._query({"_id": lease.bucket_id, "owner": lease.owner}))
