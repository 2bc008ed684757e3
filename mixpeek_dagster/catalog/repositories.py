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

_MAX_ERRORS = 1000


class Namespaces(Repository[Namespace]):
    """Namespaces of all organizations."""

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
        """A namespace by name, or None."""
        return self._find_one({"organization_id": organization_id, "namespace_name": name})

    def find_by_identifier(self, organization_id: str, identifier: str) -> Namespace | None:
        """A namespace of an organization by id or name, or None."""
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
    """Buckets."""

    kind, record = "bucket", Bucket


class Collections(NamedRepository[Collection]):
    """Collections."""

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
        """A bucket's objects."""
        return self._find({"bucket_id": bucket_id})

    def join_batch(self, batch_id: str, objects: Sequence[Object]) -> None:
        """Make objects, as they are now, part of a batch."""
        members = [
            {
                "_id": f"{batch_id}:{item.object_id}",
                "batch_id": batch_id,
                "namespace_id": item.namespace_id,
                "key": item.key,
                "object": self._document(item),
            }
            for item in objects
        ]
        with mongodb_errors(self._url):
            for start in range(0, len(members), PAGE):
                self._members.insert_many(members[start : start + PAGE], ordered=False)

    def of_batch(self, batch_id: str) -> Iterator[Object]:
        """A batch's objects by key, as they were when the batch was made."""
        with mongodb_errors(self._url):
            for member in self._members.find(self._query({"batch_id": batch_id})).sort([("batch_id", 1), ("key", 1)]):
                yield self._parse(member["object"])


class Batches(Repository[Batch]):
    """Batches."""

    kind, record = "batch", Batch
    indexes = (((("bucket_id", ASCENDING), ("created_at", DESCENDING)), False),)

    def of_bucket(self, bucket_id: str) -> list[Batch]:
        """A bucket's batches, newest first."""
        return list(self._find({"bucket_id": bucket_id}, [("bucket_id", ASCENDING), ("created_at", DESCENDING)]))

    def newest(self, bucket_id: str) -> Batch | None:
        """A bucket's newest batch, or None."""
        return next(iter(self.of_bucket(bucket_id)), None)

    def record_tier(self, batch_id: str, collection_id: str, tier: Mapping[str, Any]) -> None:
        """Note what a collection's run on the batch came to."""
        self._update({"_id": batch_id}, {"$set": {f"tiers.{collection_id}": dict(tier)}})


class Tasks(Repository[Task]):
    """Tasks."""

    kind, record = "task", Task
    indexes = (((("namespace_id", ASCENDING), ("created_at", DESCENDING)), False),)

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

    def of_run(self, run_id: str) -> list[Task]:
        """The tasks of a Dagster run."""
        return list(self._find({"run_id": run_id}))
