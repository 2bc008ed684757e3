"""Batches: which there are, and running one again."""

from __future__ import annotations

from mixpeek_dagster.catalog.catalog import Catalog
from mixpeek_dagster.catalog.records import Batch, Bucket, RunScope, TaskStatus
from mixpeek_dagster.catalog.tenant import NamespaceView
from mixpeek_dagster.errors import AlreadyExists, InvalidRequest, NotFound


def batch_of_bucket(view: NamespaceView, bucket: Bucket, batch_id: str | None) -> Batch:
    """A bucket's batch; its newest if none is named.

    Raises:
        NotFound: the bucket has no such batch, or none at all.
    """
    if batch_id is not None:
        batch = view.batches.get(batch_id)
        if batch.bucket_id != bucket.bucket_id:
            raise NotFound(f"batch {batch_id!r}", why=f"bucket {bucket.bucket_name!r} has none of that id")
        return batch
    newest = view.batches.newest(bucket.bucket_id)
    if newest is None:
        raise NotFound(
            f"a batch of bucket {bucket.bucket_name!r}",
            why="nothing was ingested yet",
            fix=f"Run `mixpeek ingest PATH --bucket {bucket.bucket_name}` first",
        )
    return newest


def retry_batch(catalog: Catalog, batch: Batch, scope: RunScope = RunScope.CHANGED) -> Batch:
    """Have a batch that is over run again; rows that are in Qdrant unchanged are not computed again.

    Args:
        scope: how much is done again.

    Raises:
        InvalidRequest: the batch was ingested by hand.
        AlreadyExists: it is under way.
    """
    if batch.status is None:
        fix = "Run `mixpeek materialize COLLECTION --batch BATCH`"
        raise InvalidRequest(f"batch {batch.batch_id!r}", why="it was ingested by hand", fix=fix)
    if not batch.status.terminal:
        raise AlreadyExists(f"run of batch {batch.batch_id!r}", why="it is under way", fix="Wait until it is over")
    changes = {
        "status": TaskStatus.PENDING.value,
        "attempt": batch.attempt + 1,
        "failures": 0,
        "interruptions": 0,
        "retry_at": None,
        "finished_at": None,
        "scope": scope.value,
    }
    catalog.batches.record_status(batch.batch_id, **changes)
    catalog.arrivals.reopen(batch.batch_id)
    return catalog.batches.get(batch.batch_id)
