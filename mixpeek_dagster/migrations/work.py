"""What a migration works with: the stores, a few things of them at a time, and somebody to tell how far it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from pymongo.collection import Collection
from pymongo.database import Database

from mixpeek_dagster.catalog.connection import Document
from mixpeek_dagster.settings import Settings

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

    from mixpeek_dagster.objects.object_store import ObjectStore

T = TypeVar("T")


@dataclass
class Work:
    """The stores of an installation that is upgraded.

    Args:
        settings: lead to S3 and Qdrant, which are opened when first asked for.
        database: the catalog's.
        reached: called between any two writes with what has been done; keeps the lease, so call it often.
        batch: how many things are read and changed at a time.
    """

    settings: Settings
    database: Database[Document]
    reached: Callable[[str], None]
    batch: int

    @cached_property
    def objects(self) -> ObjectStore:
        """Objects of the settings' bucket, which is made if it is not there."""
        from mixpeek_dagster.objects.connection import S3Access
        from mixpeek_dagster.objects.object_store import ObjectStore

        return ObjectStore(S3Access.of(self.settings), self.settings.s3_bucket)

    @cached_property
    def qdrant(self) -> QdrantClient:
        """Connects at the first use."""
        from mixpeek_dagster.index.connection import connect

        key = self.settings.qdrant_api_key
        secret = key.get_secret_value() if key else None
        return connect(self.settings.qdrant_url or "", secret, self.settings.qdrant_timeout)

    def groups(self, items: Iterable[T]) -> Iterator[list[T]]:
        """The items, a batch at a time."""
        pending = iter(items)
        while group := list(islice(pending, self.batch)):
            yield group

    def ids(self, records: Collection[Document], query: Mapping[str, Any]) -> Iterator[list[Any]]:
        """Ids of the records that match, a batch at a time and in their order, whatever becomes of those before."""
        last: dict[str, Any] = {}
        while True:
            found = records.find({**query, **last}, {"_id": 1}).sort("_id", 1).limit(self.batch)
            ids = [record["_id"] for record in found]
            if not ids:
                return
            yield ids
            last = {"_id": {"$gt": ids[-1]}}

    def close(self) -> None:
        for name in {"objects", "qdrant"} & set(self.__dict__):
            getattr(self, name).close()
