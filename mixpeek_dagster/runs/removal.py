"""Documents whose source is no more: of objects that were removed, and of upstream documents that were."""

from __future__ import annotations

from collections.abc import Iterator

from mixpeek_dagster.catalog.records import Object
from mixpeek_dagster.runs.context import CollectionRun

_GROUP = 500


def remove_gone(run: CollectionRun) -> int:
    """Delete the collection's documents of what the batch takes away; returns how many they were.

    Raises:
        StoreError: Qdrant or MongoDB cannot be used.
    """
    removed = 0
    for blobs in _blobs(run.stores.catalog.objects.of_batch(run.batch.batch_id, removed=True)):
        removed += run.stores.index.delete_blobs(run.namespace.namespace_id, run.collection.collection_id, blobs)
    return removed + _remove_orphans(run)


def _remove_orphans(run: CollectionRun) -> int:
    """A changed object can have fewer documents upstream than before: what came of those that are gone goes, too."""
    if run.upstream is None:
        return 0
    index, namespace = run.stores.index, run.namespace.namespace_id
    removed = 0
    for blobs in _blobs(run.stores.catalog.objects.of_batch(run.batch.batch_id)):
        there = {item["document_id"] for item in index.documents_of(namespace, run.upstream.collection_id, blobs)}
        held = index.sources_of_blobs(namespace, run.collection.collection_id, blobs)
        orphans = sorted(held - there)
        removed += index.delete_sources(namespace, run.collection.collection_id, orphans)
    return removed


def _blobs(objects: Iterator[Object]) -> Iterator[list[str]]:
    group: list[str] = []
    for item in objects:
        group += [blob.blob_id for blob in item.blobs]
        if len(group) >= _GROUP:
            yield group
            group = []
    if group:
        yield group
