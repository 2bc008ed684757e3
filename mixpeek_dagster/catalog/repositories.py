"""Typed repositories: one per kind of record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Generic, TypeVar

from pymongo import ASCENDING, DESCENDING, ReplaceOne
from pymongo.collection import Collection as MongoCollection
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from mixpeek_dagster.catalog.connection import Document, mongodb_errors
from mixpeek_dagster.catalog.records import Batch, Bucket, Collection, Namespace, Object, Record, Task, TaskStatus
from mixpeek_dagster.errors import AlreadyExists, NotFound

R = TypeVar("R", bound=Record)
_PAGE = 1000
_MAX_ERRORS = 1000


class Repository(Generic[R]):
    """Records of one kind, keyed by their id."""

    kind: ClassVar[str]
    record: type[R]
    indexes: ClassVar[Sequence[tuple[Sequence[tuple[str, int]], bool]]] = ()

    def __init__(self, database: Database[Document], url: str) -> None:
        self._collection: MongoCollection[Document] = database[f"{self.kind}s" if self.kind != "batch" else "batches"]
        self._url = url

    def create_indexes(self) -> None:
        """Make the indexes that are not there."""
        with mongodb_errors(self._url):
            for keys, unique in self.indexes:
                self._collection.create_index(list(keys), unique=unique)

    def get(self, record_id: str) -> R:
        """A record by id.

        Raises:
            NotFound: there is none.
        """
        found = self._find_one({"_id": record_id})
        if found is None:
            raise NotFound(f"{self.kind} {record_id!r}")
        return found

    def insert(self, record: R) -> R:
        """Enter a new record.

        Raises:
            AlreadyExists: its id or name is taken.
        """
        with mongodb_errors(self._url):
            try:
                self._collection.insert_one(self._document(record))
            except DuplicateKeyError:
                raise AlreadyExists(f"{self.kind} {self._name(record)!r}", fix="Choose another name") from None
        return record

    def all(self) -> list[R]:
        """Every record."""
        return list(self._find({}))

    def _find_one(self, query: Mapping[str, Any]) -> R | None:
        with mongodb_errors(self._url):
            document = self._collection.find_one(query)
        return None if document is None else self._parse(document)

    def _find(self, query: Mapping[str, Any], sort: Sequence[tuple[str, int]] = ()) -> Iterator[R]:
        with mongodb_errors(self._url):
            cursor = self._collection.find(query)
            for document in cursor.sort(list(sort)) if sort else cursor:
                yield self._parse(document)

    def _document(self, record: R) -> Document:
        return {
            "_id": getattr(record, f"{self.kind}_id"),
            **record.model_dump(mode="python", exclude={f"{self.kind}_id"}),
        }

    def _parse(self, document: Document) -> R:
        return self.record.model_validate({f"{self.kind}_id": document["_id"], **document})

    def _name(self, record: R) -> str:
        return str(getattr(record, f"{self.kind}_name", getattr(record, f"{self.kind}_id")))


class NamedRepository(Repository[R]):
    """Records with a name that is theirs alone within a namespace."""

    indexes = ((((("namespace_id", ASCENDING)), ("_name", ASCENDING)), True),)

    def find(self, namespace_id: str) -> list[R]:
        """Every record of a namespace, by name."""
        return list(self._find({"namespace_id": namespace_id}, [("namespace_id", ASCENDING), ("_name", ASCENDING)]))

    def find_by_name(self, namespace_id: str, name: str) -> R | None:
        """A record by name, or None."""
        return self._find_one({"namespace_id": namespace_id, "_name": name})

    def get_by_name(self, namespace_id: str, name: str) -> R:
        """A record by name.

        Raises:
            NotFound: there is none; names those there are.
        """
        found = self.find_by_name(namespace_id, name)
        if found is None:
            known = ", ".join(self._name(record) for record in self.find(namespace_id)) or "none yet"
            raise NotFound(
                f"{self.kind} {name!r}", why="the namespace has none of that name", fix=f"There are: {known}"
            )
        return found

    def put(self, record: R) -> None:
        """Enter a record, or replace the one with its id."""
        document = self._document(record)
        with mongodb_errors(self._url):
            self._collection.replace_one({"_id": document["_id"]}, document, upsert=True)

    def _document(self, record: R) -> Document:
        return {**super()._document(record), "_name": self._name(record)}


class Namespaces(Repository[Namespace]):
    """Namespaces of all organizations."""

    kind, record = "namespace", Namespace
    indexes = (((("organization_id", ASCENDING), ("namespace_name", ASCENDING)), True),)

    def find_by_name(self, name: str, organization_id: str) -> Namespace | None:
        """A namespace by name, or None."""
        return self._find_one({"organization_id": organization_id, "namespace_name": name})


class Buckets(NamedRepository[Bucket]):
    """Buckets."""

    kind, record = "bucket", Bucket


class Collections(NamedRepository[Collection]):
    """Collections."""

    kind, record = "collection", Collection

    def names(self) -> list[tuple[str, str, str]]:
        """Id, namespace id and name of every enabled collection, and nothing else of it."""
        with mongodb_errors(self._url):
            fields = {"namespace_id": 1, "collection_name": 1}
            found = self._collection.find({"enabled": True}, fields)
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
            for start in range(0, len(writes), _PAGE):
                self._collection.bulk_write(writes[start : start + _PAGE], ordered=False)

    def of_bucket(self, bucket_id: str) -> Iterator[Object]:
        """A bucket's objects."""
        return self._find({"bucket_id": bucket_id})

    def join_batch(self, batch_id: str, objects: Sequence[Object]) -> None:
        """Make objects, as they are now, part of a batch."""
        members = [
            {
                "_id": f"{batch_id}:{item.object_id}",
                "batch_id": batch_id,
                "key": item.key,
                "object": self._document(item),
            }
            for item in objects
        ]
        with mongodb_errors(self._url):
            for start in range(0, len(members), _PAGE):
                self._members.insert_many(members[start : start + _PAGE], ordered=False)

    def of_batch(self, batch_id: str) -> Iterator[Object]:
        """A batch's objects by key, as they were when the batch was made."""
        with mongodb_errors(self._url):
            for member in self._members.find({"batch_id": batch_id}).sort([("batch_id", 1), ("key", 1)]):
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
        with mongodb_errors(self._url):
            self._collection.update_one({"_id": batch_id}, {"$set": {f"tiers.{collection_id}": dict(tier)}})


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
        with mongodb_errors(self._url):
            self._collection.replace_one({"_id": task_id}, self._document(task), upsert=True)

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
        with mongodb_errors(self._url):
            self._collection.update_one({"_id": task_id}, {"$set": ended})

    def of_run(self, run_id: str) -> list[Task]:
        """The tasks of a Dagster run."""
        return list(self._find({"run_id": run_id}))
