"""Batches of a bucket: what was made of its objects, and running it again."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from mixpeek_dagster.api.access import HeaderReader, HeaderWriter
from mixpeek_dagster.api.pages import WantedPage, pagination
from mixpeek_dagster.api.schemas.batches import BatchList, BatchReply, RetryBatch
from mixpeek_dagster.catalog.records import Batch, RunScope
from mixpeek_dagster.catalog.tenant import NamespaceView
from mixpeek_dagster.operations.batches import batch_of_bucket, retry_batch

router = APIRouter(tags=["batches"])

_Bucket = Annotated[str, Path(description="Bucket, by id or name.", examples=["talks"])]
_BatchId = Annotated[str, Path(description="Id of the batch.", examples=["btch_5f0c9a1b2c3d"])]


@router.post("/buckets/{bucket}/batches/list", summary="List a bucket's batches")
def list_batches(view: HeaderReader, bucket: _Bucket, wanted: WantedPage) -> BatchList:
    """The newest first."""
    record = view.buckets.get_by_identifier(view.id, bucket)
    found = view.batches.of_bucket(record.bucket_id, skip=wanted.offset, limit=wanted.limit + 1)
    total = view.batches.count({"bucket_id": record.bucket_id})
    return BatchList(
        results=[_reply(batch) for batch in found[: wanted.limit]],
        total_count=total,
        pagination=pagination(wanted, len(found), total if wanted.include_total else None),
    )


@router.get("/buckets/{bucket}/batches/{batch_id}", summary="One batch")
def get_batch(view: HeaderReader, bucket: _Bucket, batch_id: _BatchId) -> BatchReply:
    """With the row ledger of each collection that has run on it."""
    return _reply(_find(view, bucket, batch_id))


@router.post("/buckets/{bucket}/batches/{batch_id}/retry", summary="Run a batch again")
def retry(view: HeaderWriter, bucket: _Bucket, batch_id: _BatchId, wanted: RetryBatch | None = None) -> BatchReply:
    """At the sensor's next look. Rows that are in Qdrant unchanged are not computed again."""
    scope = wanted.scope if wanted else RunScope.CHANGED
    return _reply(retry_batch(view.catalog, _find(view, bucket, batch_id), scope))


@router.post("/buckets/{bucket}/batches/{batch_id}/retry-qdrant-write", summary="Write a batch's rows again")
def retry_qdrant_write(view: HeaderWriter, bucket: _Bucket, batch_id: _BatchId) -> BatchReply:
    """At the sensor's next look: takes the rows that were computed and kept."""
    return _reply(retry_batch(view.catalog, _find(view, bucket, batch_id), RunScope.WRITES))


@router.get("/batches/{batch_id}", summary="One batch, by its id alone")
def find_batch(view: HeaderReader, batch_id: _BatchId) -> BatchReply:
    """As under its bucket."""
    return _reply(view.batches.get(batch_id))


def _find(view: NamespaceView, bucket: str, batch_id: str) -> Batch:
    return batch_of_bucket(view, view.buckets.get_by_identifier(view.id, bucket), batch_id)


def _reply(batch: Batch) -> BatchReply:
    return BatchReply.model_validate(batch.model_dump())
