"""Records of one kind in MongoDB, wholly or as far as one tenant may see them."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Generic, Self, TypeVar

from pymongo import ASCENDING
from pymongo.collection import Collection as MongoCollection
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from mixpeek_dagster.catalog.connection import Document, mongodb_errors
from mixpeek_dagster.catalog.records import Record
from mixpeek_dagster.errors import AlreadyExists, NotFound
from mixpeek_dagster.schema_version import FIELD, require_known

R = TypeVar("R", bound=Record)
PAGE = 1000


class Repository(Generic[R]):
    """Records of one kind, keyed by their id.

    `within(namespace_id=...)` gives the same records as a tenant may see them: each query, count, update and deletion
    carries the tenant's id, and a record of another tenant cannot be entered.
    """

    kind: ClassVar[str]
    record: type[R]
    key: ClassVar[str] = ""
    indexes: ClassVar[Sequence[tuple[Sequence[tuple[str, int]], bool]]] = ()

    def __init__(self, database: Database[Document], url: str) -> None:
        self._collection: MongoCollection[Document] = database[f"{self.kind}s" if self.kind != "batch" else "batches"]
        self._url = url
        self._scope: dict[str, str] = {}

    def within(self, **scope: str) -> Self:
        """The records that have these ids, and no others."""
        narrowed = copy.copy(self)
        narrowed._scope = {**self._scope, **scope}
        return narrowed

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
            raise NotFound(f"{self._kind} {record_id!r}")
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
                raise AlreadyExists(f"{self._kind} {self._name(record)!r}", fix="Choose another name") from None
        return record

    def put(self, record: R) -> None:
        """Enter a record, or replace the one with its id."""
        document = self._document(record)
        with mongodb_errors(self._url):
            self._collection.replace_one(self._query({"_id": document["_id"]}), document, upsert=True)

    def replace(self, record: R, **expected: Any) -> bool:
        """Replace a record if it still has the expected values; returns whether it did."""
        document = self._document(record)
        with mongodb_errors(self._url):
            query = self._query({"_id": document["_id"], **expected})
            return self._collection.replace_one(query, document).matched_count == 1

    def delete(self, record_id: str) -> bool:
        """True if it was there; a second call is no error."""
        with mongodb_errors(self._url):
            return self._collection.delete_one(self._query({"_id": record_id})).deleted_count == 1

    def delete_where(self, **values: Any) -> int:
        """Delete the records that have these values; returns how many there were."""
        with mongodb_errors(self._url):
            return self._collection.delete_many(self._query(values)).deleted_count

    def all(self) -> list[R]:
        """Of every tenant, unless this repository is narrowed by `within`."""
        return list(self._find({}))

    def count(self, query: Mapping[str, Any] | None = None) -> int:
        """How many records there are."""
        with mongodb_errors(self._url):
            return self._collection.count_documents(self._query(query or {}))

    @property
    def _kind(self) -> str:
        return self.kind.replace("_", " ")

    def _query(self, query: Mapping[str, Any]) -> dict[str, Any]:
        return {**query, **self._scope}

    def _find_one(self, query: Mapping[str, Any]) -> R | None:
        with mongodb_errors(self._url):
            document = self._collection.find_one(self._query(query))
        return None if document is None else self._parse(document)

    def _find(
        self, query: Mapping[str, Any], sort: Sequence[tuple[str, int]] = (), *, skip: int = 0, limit: int = 0
    ) -> Iterator[R]:
        with mongodb_errors(self._url):
            cursor = self._collection.find(self._query(query)).skip(skip).limit(limit)
            for document in cursor.sort(list(sort)) if sort else cursor:
                yield self._parse(document)

    def _update(self, query: Mapping[str, Any], change: Mapping[str, Any]) -> bool:
        with mongodb_errors(self._url):
            return self._collection.update_one(self._query(query), change).matched_count == 1

    def _document(self, record: R) -> Document:
        key = self.key or f"{self.kind}_id"
        fields = record.model_dump(mode="python", exclude={key})
        document = {"_id": getattr(record, key), **fields, FIELD: self.record.schema_version}
        if strange := {name for name, value in self._scope.items() if document.get(name) != value}:
            raise ValueError(f"{self.kind} {document['_id']} has another {', '.join(sorted(strange))} than this tenant")
        return document

    def _parse(self, document: Document) -> R:
        require_known(f"{self._kind} {document['_id']!r}", document, self.record.schema_version)
        return self.record.model_validate({self.key or f"{self.kind}_id": document["_id"], **document})

    def _name(self, record: R) -> str:
        return str(getattr(record, f"{self.kind}_name", getattr(record, self.key or f"{self.kind}_id")))


class NamedRepository(Repository[R]):
    """Records with a name that is theirs alone within a namespace: `bucket_name` of a bucket."""

    def __init_subclass__(cls) -> None:
        """Index the names of this kind."""
        cls.indexes = (((("namespace_id", ASCENDING), (f"{cls.kind}_name", ASCENDING)), True),)

    def find(self, namespace_id: str, *, skip: int = 0, limit: int = 0) -> list[R]:
        """Records of a namespace, by name.

        Args:
            limit: at most so many; 0 = all.
        """
        order = [("namespace_id", ASCENDING), (f"{self.kind}_name", ASCENDING)]
        return list(self._find({"namespace_id": namespace_id}, order, skip=skip, limit=limit))

    def find_by_name(self, namespace_id: str, name: str) -> R | None:
        """A record by name, or None."""
        return self._find_one({"namespace_id": namespace_id, f"{self.kind}_name": name})

    def get_by_name(self, namespace_id: str, name: str) -> R:
        """A record by name.

        Raises:
            NotFound: there is none; names those there are.
        """
        found = self.find_by_name(namespace_id, name)
        if found is None:
            known = ", ".join(self._name(record) for record in self.find(namespace_id, limit=20)) or "none yet"
            raise NotFound(
                f"{self._kind} {name!r}", why="the namespace has none of that name", fix=f"There are: {known}"
            )
        return found

    def find_by_identifier(self, namespace_id: str, identifier: str) -> R | None:
        """A record by id or name, or None."""
        by_id = self._find_one({"_id": identifier, "namespace_id": namespace_id})
        return by_id or self.find_by_name(namespace_id, identifier)

    def get_by_identifier(self, namespace_id: str, identifier: str) -> R:
        """A record by id or name.

        Raises:
            NotFound: there is none; names those there are.
        """
        found = self._find_one({"_id": identifier, "namespace_id": namespace_id})
        return found or self.get_by_name(namespace_id, identifier)
