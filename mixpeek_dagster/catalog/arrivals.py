"""The inbox: what was seen to arrive in a bucket, once per version of an object, however often it is reported."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from pymongo import ASCENDING, DESCENDING, InsertOne, UpdateOne
from pymongo.errors import BulkWriteError

from mixpeek_dagster.catalog.connection import mongodb_errors
from mixpeek_dagster.catalog.records import Bucket, Record
from mixpeek_dagster.catalog.repository import PAGE, Repository

_DUPLICATE = 11000
_LONGEST_LETTER = 100_000


class ArrivalState(StrEnum):
    """How far an arrival has come: seen -> batched -> done or failed; gone if a later one took its place."""

    SEEN = "seen"
    BATCHED = "batched"
    DONE = "done"
    FAILED = "failed"
    GONE = "gone"


class Arrival(Record):
    """A version of an object that was put into a bucket, or its removal.

    `etag` names the version; that of a removal is the version that was removed.
    """

    arrival_id: str
    bucket_id: str
    namespace_id: str
    key: str
    etag: str
    size_bytes: int = 0
    removed: bool = False
    state: ArrivalState = ArrivalState.SEEN
    batch_id: str | None = None
    source: str
    seen_at: datetime
    updated_at: datetime


def arrival_id(bucket_id: str, key: str, etag: str, *, removed: bool) -> str:
    """One id per bucket, key and version, so that reporting it again changes nothing."""
    version = f"{key}\0{etag}\0{'removed' if removed else 'put'}"
    return f"{bucket_id}:{hashlib.sha256(version.encode()).hexdigest()[:32]}"


class Arrivals(Repository[Arrival]):
    """One per bucket, key and version, however often it is reported."""

    kind, record = "arrival", Arrival
    indexes = (
        ((("bucket_id", ASCENDING), ("state", ASCENDING), ("seen_at", ASCENDING)), False),
        ((("bucket_id", ASCENDING), ("key", ASCENDING)), False),
        ((("batch_id", ASCENDING),), False),
    )

    def report(self, arrivals: Sequence[Arrival]) -> int:
        """Enter what was seen; what is there already stays as it is, unless it had gone and has come back.

        Returns:
            How many are new or back.
        """
        new = 0
        for start in range(0, len(arrivals), PAGE):
            new += self._report(arrivals[start : start + PAGE])
        return new

    def waiting(self, bucket_id: str, limit: int) -> list[Arrival]:
        """The oldest arrivals that are in no batch yet."""
        order = [("bucket_id", ASCENDING), ("state", ASCENDING), ("seen_at", ASCENDING)]
        return list(self._find({"bucket_id": bucket_id, "state": ArrivalState.SEEN.value}, order, limit=limit))

    def claim(self, arrivals: Iterable[Arrival], batch_id: str) -> list[Arrival]:
        """Give arrivals to a batch; those that another took meanwhile are not among the returned."""
        ids = [arrival.arrival_id for arrival in arrivals]
        for start in range(0, len(ids), PAGE):
            query = {"_id": {"$in": ids[start : start + PAGE]}, "state": ArrivalState.SEEN.value}
            self._update_many(query, {"state": ArrivalState.BATCHED.value, "batch_id": batch_id})
        return self.of_batch(batch_id)

    def of_batch(self, batch_id: str) -> list[Arrival]:
        return list(self._find({"batch_id": batch_id}))

    def close_batch(self, batch_id: str, state: ArrivalState) -> None:
        """A batch is over: its arrivals, as far as nothing took their place, are done or failed."""
        self._update_many({"batch_id": batch_id, "state": {"$ne": ArrivalState.GONE.value}}, {"state": state.value})

    def reopen(self, batch_id: str) -> None:
        """A batch is run again: its arrivals, as far as nothing took their place, wait for it."""
        self._update_many(
            {"batch_id": batch_id, "state": {"$ne": ArrivalState.GONE.value}}, {"state": ArrivalState.BATCHED.value}
        )

    def again(self, bucket_id: str, keys: Sequence[str]) -> None:
        """Have the present versions of these keys wait for a batch once more."""
        over = {"$in": [ArrivalState.DONE.value, ArrivalState.FAILED.value]}
        for start in range(0, len(keys), PAGE):
            query = {"bucket_id": bucket_id, "key": {"$in": list(keys[start : start + PAGE])}, "state": over}
            self._update_many(query, {"state": ArrivalState.SEEN.value, "batch_id": None})

    def retire(self, arrival_ids: Sequence[str]) -> None:
        """Later arrivals took their place."""
        for start in range(0, len(arrival_ids), PAGE):
            query = {"_id": {"$in": list(arrival_ids[start : start + PAGE])}}
            self._update_many(query, {"state": ArrivalState.GONE.value})

    def others_of(self, bucket_id: str, keys: Sequence[str], batch_id: str, before: datetime) -> list[str]:
        """Ids of arrivals of these keys that were seen before a moment and belong to no batch or one that is over."""
        found: list[str] = []
        for start in range(0, len(keys), PAGE):
            wanted = {"$in": list(keys[start : start + PAGE])}
            query = {"bucket_id": bucket_id, "key": wanted, "seen_at": {"$lt": before}}
            with mongodb_errors(self._url):
                items = list(self._collection.find(self._query(query), {"batch_id": 1, "state": 1}))
            found += [i["_id"] for i in items if i.get("batch_id") != batch_id and i["state"] in _OVER]
        return found

    def counts(self, bucket_id: str) -> dict[str, int]:
        """How many arrivals of a bucket are in each state."""
        return {
            state.value: count
            for state in ArrivalState
            if (count := self.count({"bucket_id": bucket_id, "state": state.value}))
        }

    def _report(self, arrivals: Sequence[Arrival]) -> int:
        writes = [InsertOne(self._document(arrival)) for arrival in arrivals]
        with mongodb_errors(self._url):
            try:
                self._collection.bulk_write(writes, ordered=False)
                return len(writes)
            except BulkWriteError as error:
                failed = error.details["writeErrors"]
                if any(item["code"] != _DUPLICATE for item in failed):
                    raise
                return len(writes) - len(failed) + self._revive([arrivals[item["index"]] for item in failed])

    def _revive(self, arrivals: Sequence[Arrival]) -> int:
        changes = {"state": ArrivalState.SEEN.value, "batch_id": None, "seen_at": datetime.now(UTC)}
        writes = [
            UpdateOne(
                self._query({"_id": item.arrival_id, "state": ArrivalState.GONE.value}),
                {"$set": {**changes, "source": item.source}},
            )
            for item in arrivals
        ]
        return int(self._collection.bulk_write(writes, ordered=False).modified_count)

    def _update_many(self, query: dict[str, Any], changes: dict[str, Any]) -> None:
        with mongodb_errors(self._url):
            self._collection.update_many(self._query(query), {"$set": {**changes, "updated_at": datetime.now(UTC)}})


_OVER = frozenset({ArrivalState.DONE.value, ArrivalState.FAILED.value, ArrivalState.SEEN.value})


class DeadLetter(Record):
    """A notification that could not be read."""

    dead_letter_id: str
    bucket_id: str
    namespace_id: str
    body: str
    reason: str
    kept_at: datetime


class DeadLetters(Repository[DeadLetter]):
    """Notifications that could not be read, for people to look at."""

    kind, record = "dead_letter", DeadLetter
    indexes = (((("bucket_id", ASCENDING), ("kept_at", ASCENDING)), False),)

    def keep(self, bucket: Bucket, message_id: str, body: str, reason: str) -> None:
        """Keep one; the same message again replaces it."""
        letter = DeadLetter(
            dead_letter_id=f"{bucket.bucket_id}:{message_id}",
            bucket_id=bucket.bucket_id,
            namespace_id=bucket.namespace_id,
            body=body[:_LONGEST_LETTER],
            reason=reason,
            kept_at=datetime.now(UTC),
        )
        self.put(letter)

    def of_bucket(self, bucket_id: str, limit: int = 20) -> list[DeadLetter]:
        """A bucket's letters, the latest first."""
        order = [("bucket_id", ASCENDING), ("kept_at", DESCENDING)]
        return list(self._find({"bucket_id": bucket_id}, order, limit=limit))
