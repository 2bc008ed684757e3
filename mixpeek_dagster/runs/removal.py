"""Documents whose source is no more: of objects that were removed, and of upstream documents that were."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from mixpeek_dagster.catalog.records import Object
from mixpeek_dagster.ingest.record import possible_blobs
from mixpeek_dagster.runs.context import CollectionRun

_GROUP = 500


def remove_gone(run: CollectionRun) -> int:
    """Delete the collection's documents of what the batch takes away; returns how many they were.

    Raises:
        StoreError: Qdrant or MongoDB cannot be used.
    """
    removed = 0
    for group in _groups(run.stores.catalog.objects.of_batch(run.batch.batch_id, removed=True)):
        # A batch that is tried again may run after one in which the object has come back.
        back = run.stores.catalog.objects.versions(run.bucket.bucket_id, [item.key for item in group])
        blobs = _blobs(run, [item for item in group if item.key not in back])
        removed += run.stores.index.delete_blobs(run.namespace.namespace_id, run.collection.collection_id, blobs)
    return removed + _remove_orphans(run)


def _remove_orphans(run: CollectionRun) -> int:
    """A changed object can have fewer documents upstream than before: what came of those that are gone goes, too."""
    if run.upstream is None:
        return 0
    index, namespace = run.stores.index, run.namespace.namespace_id
    removed = 0
    for group in _groups(run.stores.catalog.objects.of_batch(run.batch.batch_id)):
        blobs = _blobs(run, group)
        there = {item["document_id"] for item in index.documents_of(namespace, run.upstream.collection_id, blobs)}
        held = index.sources_of_blobs(namespace, run.collection.collection_id, blobs)
        orphans = sorted(held - there)
        removed += index.delete_sources(namespace, run.collection.collection_id, orphans)
    return removed


def _groups(objects: Iterator[Object]) -> Iterator[list[Object]]:
    while group := list(islice(objects, _GROUP)):
        yield group


def _blobs(run: CollectionRun, objects: list[Object]) -> list[str]:
    return [blob for item in objects for blob in possible_blobs(run.bucket, item)]
