"""S3, catalog and Qdrant compared, and brought together."""

from __future__ import annotations

import pytest

from mixpeek_dagster.catalog.records import Collection
from mixpeek_dagster.errors import InUse
from mixpeek_dagster.operations.buckets import delete_bucket
from mixpeek_dagster.operations.collections import delete_collection
from mixpeek_dagster.operations.reconcile import reconcile
from tests.arrivals.conftest import Shore


def test_what_agrees_is_left_alone(shore: Shore, notes: Collection) -> None:
    shore.put("a.txt")
    shore.settle()
    drift = reconcile(shore.world.stores, shore.bucket, repair=True)
    assert drift.agrees
    assert shore.look().waiting == 0


def test_every_kind_of_drift_is_found_and_repaired(shore: Shore, notes: Collection) -> None:
    for key in ("same.txt", "changed.txt", "gone.txt", "lost.txt", "forgotten.txt"):
        shore.put(key, key)
    shore.settle()
    shore.put("unseen.txt", "unseen.txt")
    shore.put("changed.txt", "another content")
    shore.delete("gone.txt")
    stores, namespace = shore.world.stores, shore.world.namespace.namespace_id
    items = {item.key: item for item in stores.catalog.objects.of_bucket(shore.bucket.bucket_id)}
    stores.index.delete_blobs(namespace, notes.collection_id, [items["lost.txt"].blobs[0].blob_id])
    stores.catalog.objects.forget([items["forgotten.txt"]])
    shore.delete("forgotten.txt")

    drift = reconcile(stores, shore.bucket)

    found = (drift.unseen, drift.changed, drift.gone, drift.without_documents)
    assert found == (["unseen.txt"], ["changed.txt"], ["gone.txt"], ["lost.txt"])
    assert drift.counts()["orphans"] == 1
    assert not drift.agrees
    reconcile(stores, shore.bucket, repair=True)
    shore.sync(listing=False)
    for _ in range(4):
        for batch in shore.look().to_run:
            shore.run(batch)
    assert shore.keys(notes) == ["changed.txt", "lost.txt", "same.txt", "unseen.txt"]
    assert shore.texts(notes)["changed.txt"] == "another content"
    assert reconcile(stores, shore.bucket).agrees


def test_a_bucket_that_was_deleted_and_made_again_takes_up_what_lies_there(shore: Shore, notes: Collection) -> None:
    shore.put("a.txt")
    shore.settle()
    stores, bucket = shore.world.stores, shore.bucket
    with pytest.raises(InUse, match="notes"):
        delete_bucket(stores.catalog, bucket)
    delete_collection(stores, notes)
    delete_bucket(stores.catalog, bucket)
    assert shore.states() == {}
    stores.catalog.buckets.insert(bucket)
    again = shore.world.collection(shore.world.plugin())
    shore.settle()
    assert shore.keys(again) == ["a.txt"]
