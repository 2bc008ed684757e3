"""Typed access to the records of the catalog, one repository per kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pymongo import ASCENDING, DESCENDING, ReplaceOne
from pymongo.collection import Collection as MongoCollection
from pymongo.database import Database

from mixpeek_dagster.catalog.connection import Document, mongodb_errors
from mixpeek_dagster.catalog.records import Batch, Bucket, Collection, Namespace, Object, Task, TaskStatus
from mixpeek_dagster.catalog.repository import PAGE, NamedRepository, Repository
from mixpeek_dagster.errors import NotFound
from mixpeek_dagster.schema_version import FIELD

_MAX_ERRORS = 1000
MEMBER_VERSION = 1
"""Schema version of an object's place in a batch; the object in it says its own."""


class Namespaces(Repository[Namespace]):
    """Names are unique within an organization, addresses everywhere."""

    kind, record = "namespace", Namespace
    indexes = (
        ((("organization_id", ASCENDING), ("namespace_name", ASCENDING)), True),
        ((("address", ASCENDING),), True),
    )

    def find(self, organization_id: str, *, skip: int = 0, limit: int = 0) -> list[Namespace]:
        """Namespaces of an organization, by name.

        Args:
            limit: at most so many; 0 = all.
        """
        order = [("organization_id", ASCENDING), ("namespace_name", ASCENDING)]
        return list(self._find({"organization_id": organization_id}, order, skip=skip, limit=limit))

    def find_by_name(self, name: str, organization_id: str) -> Namespace | None:
        return self._find_one({"organization_id": organization_id, "namespace_name": name})

    def find_by_identifier(self, organization_id: str, identifier: str) -> Namespace | None:
        """An id goes before a name."""
        by_id = self._find_one({"_id": identifier, "organization_id": organization_id})
        return by_id or self.find_by_name(identifier, organization_id)

    def get_by_address(self, address: str) -> Namespace:
        """A namespace by its name in the whole installation.

        Raises:
            NotFound: there is none.
        """
        found = self._find_one({"address": address})
        if found is None:
            raise NotFound(f"namespace {address!r}")
        return found


class Buckets(NamedRepository[Bucket]):
    kind, record = "bucket", Bucket


class Collections(NamedRepository[Collection]):
    kind, record = "collection", Collection

    def using(self, namespace_id: str, plugin_id: str) -> list[Collection]:
        """Collections of a namespace that run a registered plugin."""
        query = {"namespace_id": namespace_id, "plugin.plugin_id": plugin_id, "plugin.archive": {"$ne": None}}
        return list(self._find(query))

    def fed_by(self, namespace_id: str, collection_id: str) -> list[Collection]:
        """Collections of a namespace that another collection feeds."""
        return list(self._find({"namespace_id": namespace_id, "source.collection_id": collection_id}))

    def names(self) -> list[tuple[str, str, str]]:
        """Id, namespace id and name of every enabled collection, and nothing else of it."""
        with mongodb_errors(self._url):
            fields = {"namespace_id": 1, "collection_name": 1}
            found = self._collection.find(self._query({"enabled": True}), fields)
            return [(d["_id"], d["namespace_id"], d["collection_name"]) for d in found]


class Objects(Repository[Object]):
    """Objects; which batches they are in is kept on a record per batch and object, so that batches may be large."""

    kind, record = "object", Object
    indexes = (((("bucket_id", ASCENDING), ("key", ASCENDING)), True),)

    def __init__(self, database: Database[Document], url: str) -> None:
        super().__init__(database, url)
        self._members: MongoCollection[Document] = database["batch_objects"]

    def create_indexes(self) -> None:
        """Make the indexes that are not there."""
        super().create_indexes()
        with mongodb_errors(self._url):
            self._members.create_index([("batch_id", ASCENDING), ("key", ASCENDING)], unique=True)

    def put_many(self, objects: Sequence[Object]) -> None:
        """Enter objects, replacing those with the same ids."""
        writes = [ReplaceOne({"_id": item.object_id}, self._document(item), upsert=True) for item in objects]
        with mongodb_errors(self._url):
            for start in range(0, len(writes), PAGE):
                self._collection.bulk_write(writes[start : start + PAGE], ordered=False)

    def of_bucket(self, bucket_id: str) -> Iterator[Object]:
        return self._find({"bucket_id": bucket_id})

    def versions(self, bucket_id: str, keys: Sequence[str]) -> dict[str, str]:
        """Etag of each of the keys that is known."""
        found: dict[str, str] = {}
        for start in range(0, len(keys), PAGE):
            query = {"bucket_id": bucket_id, "key": {"$in": list(keys[start : start + PAGE])}}
            with mongodb_errors(self._url):
                for item in self._collection.find(self._query(query), {"key": 1, "blobs.etag": 1}):
                    found[item["key"]] = item["blobs"][0]["etag"] if item["blobs"] else ""
        return found

    def with_keys(self, bucket_id: str, keys: Sequence[str]) -> Iterator[Object]:
        """A bucket's objects under these keys."""
        for start in range(0, len(keys), PAGE):
            yield from self._find({"bucket_id": bucket_id, "key": {"$in": list(keys[start : start + PAGE])}})

    def after(self, bucket_id: str, key: str, limit: int) -> list[tuple[str, str, datetime]]:
        """Key, etag and time of a bucket's objects behind a key, in the order of keys."""
        query = {"bucket_id": bucket_id, "key": {"$gt": key}}
        fields = {"key": 1, "blobs.etag": 1, "updated_at": 1}
        with mongodb_errors(self._url):
            cursor = self._collection.find(self._query(query), fields).sort([("bucket_id", 1), ("key", 1)]).limit(limit)
            return [(d["key"], d["blobs"][0]["etag"] if d["blobs"] else "", d["updated_at"]) for d in cursor]

    def forget(self, objects: Sequence[Object]) -> None:
        """Take removed objects out of the bucket; the batches that hold them keep them."""
        ids = [item.object_id for item in objects]
        for start in range(0, len(ids), PAGE):
            with mongodb_errors(self._url):
                self._collection.delete_many(self._query({"_id": {"$in": ids[start : start + PAGE]}}))

    def join_batch(self, batch_id: str, objects: Sequence[Object], *, removed: bool = False) -> None:
        """Make objects, as they are now, part of a batch; once more changes nothing."""
        members = [
            {
                "_id": f"{batch_id}:{item.object_id}",
                "batch_id": batch_id,
                "namespace_id": item.namespace_id,
                "key": item.key,
                "removed": removed,
                "object": self._document(item),
                FIELD: MEMBER_VERSION,
            }
            for item in objects
        ]
        with mongodb_errors(self._url):
            for start in range(0, len(members), PAGE):
                writes = [ReplaceOne({"_id": m["_id"]}, m, upsert=True) for m in members[start : start + PAGE]]
                self._members.bulk_write(writes, ordered=False)

    def of_batch(self, batch_id: str, *, removed: bool = False) -> Iterator[Object]:
        """A batch's objects by key, as they were when the batch was made; or those that it takes away."""
        query = {"batch_id": batch_id, "removed": True if removed else {"$ne": True}}
        with mongodb_errors(self._url):
            for member in self._members.find(self._query(query)).sort([("batch_id", 1), ("key", 1)]):
                yield self._parse(member["object"])


class Batches(Repository[Batch]):
    kind, record = "batch", Batch
    indexes = (((("bucket_id", ASCENDING), ("created_at", DESCENDING)), False),)

    def of_bucket(self, bucket_id: str, *, skip: int = 0, limit: int = 0) -> list[Batch]:
        """A bucket's batches, newest first.

        Args:
            limit: at most so many; 0 = all.
        """
        order = [("bucket_id", ASCENDING), ("created_at", DESCENDING)]
        return list(self._find({"bucket_id": bucket_id}, order, skip=skip, limit=limit))

    def newest(self, bucket_id: str) -> Batch | None:
        """By the time of its creation; None for a bucket without batches."""
        return next(iter(self.of_bucket(bucket_id, limit=1)), None)

    def unfinished(self, bucket_id: str) -> list[Batch]:
        """Batches that arrivals made and that are not over, oldest first."""
        open_states = [TaskStatus.DRAFT.value, TaskStatus.PENDING.value]
        order = [("bucket_id", ASCENDING), ("created_at", ASCENDING)]
        return list(self._find({"bucket_id": bucket_id, "status": {"$in": open_states}}, order))

    def surplus(self, bucket_id: str, keep: int, limit: int) -> list[str]:
        """Ids of finished batches beyond the newest so many that are still partitions, oldest first."""
        over = [status.value for status in TaskStatus if status.terminal and status is not TaskStatus.FAILED]
        query = self._query({"bucket_id": bucket_id, "status": {"$in": over}, "retired": {"$ne": True}})
        with mongodb_errors(self._url):
            extra = self._collection.count_documents(query) - keep
            if extra <= 0:
                return []
            order = [("bucket_id", ASCENDING), ("created_at", ASCENDING)]
            return [item["_id"] for item in self._collection.find(query, {}).sort(order).limit(min(extra, limit))]

    def record_retired(self, batch_ids: Sequence[str]) -> None:
        """These batches are no partitions any more."""
        with mongodb_errors(self._url):
            self._collection.update_many(self._query({"_id": {"$in": list(batch_ids)}}), {"$set": {"retired": True}})

    def record_status(self, batch_id: str, **changes: Any) -> None:
        """Note how far a batch has come."""
        self._update({"_id": batch_id}, {"$set": changes})

    def record_tier(self, batch_id: str, collection_id: str, tier: Mapping[str, Any]) -> None:
        """Note what a collection's run on the batch came to."""
        self._update({"_id": batch_id}, {"$set": {f"tiers.{collection_id}": dict(tier)}})


class Tasks(Repository[Task]):
    kind, record = "task", Task
    indexes = (
        ((("namespace_id", ASCENDING), ("created_at", DESCENDING)), False),
        ((("batch_id", ASCENDING),), False),
    )

    def start(self, *, task_id: str, namespace_id: str, batch_id: str, collection_id: str, run_id: str) -> None:
        """A run begins, or begins again."""
        now = datetime.now(UTC)
        task = Task(
            task_id=task_id,
            namespace_id=namespace_id,
            batch_id=batch_id,
            collection_id=collection_id,
            run_id=run_id,
            status=TaskStatus.IN_PROGRESS,
            created_at=now,
            updated_at=now,
        )
        self.put(task)

    def finish(
        self,
        task_id: str,
        status: TaskStatus,
        counters: Mapping[str, int],
        errors: Sequence[Mapping[str, Any]],
        reason: str,
    ) -> None:
        """A run has ended."""
        ended = {
            "status": status.value,
            "counters": dict(counters),
            "errors": [dict(error) for error in errors[:_MAX_ERRORS]],
            "reason": reason,
            "updated_at": datetime.now(UTC),
        }
        self._update({"_id": task_id}, {"$set": ended})

    def abandon(self, batch_id: str, reason: str) -> None:
        """A batch's run is over: tasks that still say they are in progress were those of a process that died."""
        ended = {"status": TaskStatus.FAILED.value, "reason": reason, "updated_at": datetime.now(UTC)}
        query = self._query({"batch_id": batch_id, "status": TaskStatus.IN_PROGRESS.value})
        with mongodb_errors(self._url):
            self._collection.update_many(query, {"$set": ended})

    def of_run(self, run_id: str) -> list[Task]:
        """Of one Dagster run; none for an id that is unknown."""
        return list(self._find({"run_id": run_id}))
