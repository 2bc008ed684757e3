"""Documents in Qdrant: schema, write, count, reuse, search."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from qdrant_client import QdrantClient, models

from mixpeek_dagster import ids
from mixpeek_dagster.errors import NotFound
from mixpeek_dagster.index import payload as fields
from mixpeek_dagster.index import schema, write
from mixpeek_dagster.index.connection import qdrant_errors
from mixpeek_dagster.index.point import Point

_IDS_PER_CALL = 500
_PAGE = 1000


@dataclass(frozen=True)
class Kept:
    """What Qdrant holds of one source.

    Args:
        fingerprint: content, code and parameters it was made with; None if its documents disagree.
        documents: how many there are.
        siblings: how many its run made.
    """

    fingerprint: str | None
    documents: int
    siblings: int


@dataclass(frozen=True)
class ScoredPoint:
    """A found document."""

    document_id: str
    score: float
    payload: dict[str, Any]


class DocumentIndex:
    """The one place that talks to Qdrant."""

    def __init__(self, client: QdrantClient, upsert_batch: int) -> None:
        self._client = client
        self._upsert_batch = upsert_batch

    def close(self) -> None:
        self._client.close()

    def ensure_vectors(self, namespace_id: str, vectors: Iterable[schema.Vector]) -> list[str]:
        """Make the named vectors that are not there, in place.

        Raises:
            VectorClash: a name is held with another size or distance.
        """
        return schema.ensure_vectors(self._client, namespace_id, vectors)

    def missing_vectors(self, namespace_id: str, names: Iterable[str]) -> list[str]:
        """In the order of `names`; all of them if there is no such namespace yet."""
        held = schema.held_vectors(self._client, namespace_id)
        return [name for name in names if name not in held]

    def refuse_clashes(self, namespace_id: str, vectors: Iterable[schema.Vector]) -> None:
        """See that the namespace could hold these vectors beside those it has; nothing is made.

        Raises:
            VectorClash: a name is held with another size or distance.
        """
        schema.refuse_clashes(vectors, schema.held_vectors(self._client, namespace_id))

    def vector_names(self, namespace_id: str) -> list[str]:
        """Sorted; empty if there is no such namespace yet."""
        return sorted(schema.held_vectors(self._client, namespace_id))

    def upsert(self, namespace_id: str, points: Iterable[Point]) -> int:
        """Write points; returns how many were acknowledged.

        Raises:
            IndexWriteError: a batch could not be written.
        """
        return write.upsert(self._client, namespace_id, points, self._upsert_batch)

    def count_documents(self, namespace_id: str, collection_id: str | None = None) -> int:
        """Exact number of documents of a collection, or of the whole namespace."""
        with qdrant_errors():
            if not self._client.collection_exists(namespace_id):
                return 0
        return self._count(namespace_id, [_equals(fields.COLLECTION_ID, collection_id)] if collection_id else [])

    def delete_collection(self, namespace_id: str, collection_id: str) -> int:
        """Delete a collection's documents; returns how many there were."""
        count = self.count_documents(namespace_id, collection_id)
        if count:
            documents = models.Filter(must=[_equals(fields.COLLECTION_ID, collection_id)])
            with qdrant_errors():
                self._client.delete(namespace_id, models.FilterSelector(filter=documents), wait=True)
        return count

    def delete_namespace(self, namespace_id: str) -> None:
        """Delete a namespace's vectors and documents."""
        with qdrant_errors():
            self._client.delete_collection(namespace_id)

    def count_run(self, namespace_id: str, collection_id: str, run_id: str) -> int:
        """Exact number of the collection's documents that a run wrote."""
        matches = [_equals(fields.COLLECTION_ID, collection_id), _equals(fields.RUN_ID, run_id)]
        return self._count(namespace_id, matches)

    def count_sources(self, namespace_id: str, collection_id: str, sources: Sequence[str]) -> int:
        """Exact number of the collection's documents that come from the given sources."""
        collection = _equals(fields.COLLECTION_ID, collection_id)
        return sum(self._count(namespace_id, [collection, _any(fields.SOURCE_ID, group)]) for group in _groups(sources))

    def kept(self, namespace_id: str, collection_id: str, sources: Sequence[str]) -> dict[str, Kept]:
        """What Qdrant holds of each of the sources; those it holds nothing of are left out."""
        hashes = [fields.CONFIG_HASH, fields.CONTENT_HASH]
        names = [fields.SOURCE_ID, *hashes, fields.SIBLINGS, fields.SCHEMA_VERSION]
        found: dict[str, Kept] = {}
        for group in _groups(sources):
            condition = [_equals(fields.COLLECTION_ID, collection_id), _any(fields.SOURCE_ID, group)]
            for record in self._scroll(namespace_id, condition, names):
                internal = fields.internal(record.payload or {})
                fingerprint = fields.fingerprint_of(internal)
                known = found.get(internal["source_id"])
                agree = known is None or known.fingerprint == fingerprint
                found[internal["source_id"]] = Kept(
                    fingerprint if agree else None,
                    (known.documents if known else 0) + 1,
                    internal["siblings"],
                )
        return found

    def retire(self, namespace_id: str, collection_id: str, sources: Sequence[str], *, keep_run: str) -> None:
        """Delete documents of the sources that another run than this one wrote: what they were before."""
        for group in _groups(sources):
            stale = models.Filter(
                must=[_equals(fields.COLLECTION_ID, collection_id), _any(fields.SOURCE_ID, group)],
                must_not=[_equals(fields.RUN_ID, keep_run)],
            )
            with qdrant_errors():
                self._client.delete(namespace_id, models.FilterSelector(filter=stale), wait=True)

    def delete_blobs(self, namespace_id: str, collection_id: str, blob_ids: Sequence[str]) -> int:
        """Delete the collection's documents that come from the given blobs; returns how many there were."""
        return self._delete_by(namespace_id, collection_id, fields.BLOB_ID, blob_ids)

    def delete_sources(self, namespace_id: str, collection_id: str, sources: Sequence[str]) -> int:
        """Delete the collection's documents that come from the given sources; returns how many there were."""
        return self._delete_by(namespace_id, collection_id, fields.SOURCE_ID, sources)

    def sources_of_blobs(self, namespace_id: str, collection_id: str, blob_ids: Sequence[str]) -> set[str]:
        """Sources of the collection's documents that come from the given blobs."""
        found: set[str] = set()
        for group in _groups(blob_ids):
            condition = [_equals(fields.COLLECTION_ID, collection_id), _any(fields.BLOB_ID, group)]
            for record in self._scroll(namespace_id, condition, [fields.SOURCE_ID]):
                found.add((record.payload or {})[fields.INTERNAL]["source_id"])
        return found

    def blobs_of(self, namespace_id: str, collection_id: str) -> set[str]:
        """Ids of blobs, read from the payload of every point of the collection."""
        found: set[str] = set()
        for record in self._scroll(namespace_id, [_equals(fields.COLLECTION_ID, collection_id)], [fields.BLOB_ID]):
            found.add((record.payload or {})[fields.INTERNAL]["blob_id"])
        return found

    def documents_of(self, namespace_id: str, collection_id: str, blob_ids: Sequence[str]) -> list[dict[str, Any]]:
        """Payloads of the collection's documents that come from the given blobs."""
        return [
            dict(record.payload or {})
            for group in _groups(blob_ids)
            for record in self._scroll(
                namespace_id, [_equals(fields.COLLECTION_ID, collection_id), _any(fields.BLOB_ID, group)], True
            )
        ]

    def vectors_of(self, namespace_id: str, document_id: str) -> dict[str, npt.NDArray[np.float32]]:
        """A document's vectors by name.

        Raises:
            NotFound: there is no such document.
        """
        with qdrant_errors():
            records = self._client.retrieve(
                namespace_id, [ids.point_id(document_id)], with_vectors=True, with_payload=False
            )
        if not records:
            raise NotFound(f"document {document_id!r}")
        vectors = records[0].vector
        named = vectors if isinstance(vectors, dict) else {}
        return {name: np.asarray(vector, dtype=np.float32) for name, vector in named.items()}

    def search(
        self, namespace_id: str, collection_id: str, vector: str, query: npt.NDArray[np.float32], *, limit: int
    ) -> list[ScoredPoint]:
        """The collection's documents nearest to a query in one of its vectors."""
        with qdrant_errors():
            points = self._client.query_points(
                namespace_id,
                query=query.tolist(),
                using=vector,
                query_filter=models.Filter(must=[_equals(fields.COLLECTION_ID, collection_id)]),
                limit=limit,
                with_payload=True,
            ).points
        return [
            ScoredPoint((point.payload or {})["document_id"], point.score, dict(point.payload or {}))
            for point in points
        ]

    def _delete_by(self, namespace_id: str, collection_id: str, field: str, values: Sequence[str]) -> int:
        deleted = 0
        for group in _groups(values):
            must = [_equals(fields.COLLECTION_ID, collection_id), _any(field, group)]
            count = self._count(namespace_id, must)
            if count:
                with qdrant_errors():
                    chosen = models.FilterSelector(filter=models.Filter(must=must))
                    self._client.delete(namespace_id, chosen, wait=True)
            deleted += count
        return deleted

    def _count(self, namespace_id: str, must: Sequence[models.Condition]) -> int:
        with qdrant_errors():
            return self._client.count(namespace_id, count_filter=models.Filter(must=list(must)), exact=True).count

    def _scroll(
        self, namespace_id: str, must: Sequence[models.Condition], payload: list[str] | bool
    ) -> Iterator[models.Record]:
        offset: Any = None
        while True:
            with qdrant_errors():
                records, offset = self._client.scroll(
                    namespace_id,
                    scroll_filter=models.Filter(must=list(must)),
                    limit=_PAGE,
                    offset=offset,
                    with_payload=payload,
                    with_vectors=False,
                )
            yield from records
            if offset is None:
                return


def _equals(field: str, value: str) -> models.FieldCondition:
    return models.FieldCondition(key=field, match=models.MatchValue(value=value))


def _any(field: str, values: Sequence[str]) -> models.FieldCondition:
    return models.FieldCondition(key=field, match=models.MatchAny(any=list(values)))


def _groups(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), _IDS_PER_CALL):
        yield values[start : start + _IDS_PER_CALL]
