"""Buckets of a namespace."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from mixpeek_dagster.api.access import HeaderReader, HeaderRemover, HeaderWriter, State, require_operator
from mixpeek_dagster.api.pages import WantedPage, pagination
from mixpeek_dagster.api.schemas.buckets import (
    Backfilled,
    BucketDeleted,
    BucketItem,
    BucketList,
    BucketReply,
    CreateBucket,
    Drift,
    Reconcile,
    SyncReply,
)
from mixpeek_dagster.catalog.bucket_schema import BucketSchema
from mixpeek_dagster.catalog.records import Sync
from mixpeek_dagster.operations import buckets as operations
from mixpeek_dagster.operations.reconcile import reconcile

router = APIRouter(prefix="/buckets", tags=["buckets"])

_Identifier = Annotated[str, Path(description="Bucket, by id or name.", examples=["talks"])]
_New = Annotated[bool, Query(description="Make the bucket under that name if there is none.")]


@router.post("", status_code=201, summary="Make a bucket")
def create_bucket(view: HeaderWriter, state: State, wanted: CreateBucket) -> BucketReply:
    """Objects go under its `location`."""
    if wanted.location is not None:
        why = "what lies elsewhere in S3 is read with the installation's own key"
        require_operator(state, "location", why, "Have the operator make it: mixpeek bucket create --location")
    bucket = operations.create_bucket(
        view.catalog,
        view.namespace,
        wanted.bucket_name,
        state.settings.s3_bucket,
        location=wanted.location,
        bucket_schema=wanted.bucket_schema,
    )
    state.graph.request()
    return BucketReply.counted(view, bucket)


@router.post("/list", summary="List buckets")
def list_buckets(view: HeaderReader, wanted: WantedPage) -> BucketList:
    """The namespace's buckets, by name."""
    found = view.buckets.find(view.id, skip=wanted.offset, limit=wanted.limit + 1)
    total = view.buckets.count() if wanted.include_total else None
    results = [BucketItem.of(bucket) for bucket in found[: wanted.limit]]
    return BucketList(results=results, pagination=pagination(wanted, len(found), total))


@router.get("/{bucket}", summary="One bucket")
def get_bucket(view: HeaderReader, bucket: _Identifier) -> BucketReply:
    """With the number of its objects."""
    return BucketReply.counted(view, view.buckets.get_by_identifier(view.id, bucket))


@router.get("/{bucket}/sync", summary="How a bucket's arrivals stand")
def get_sync(view: HeaderReader, bucket: _Identifier) -> SyncReply:
    """What was seen in the bucket, waits, runs, is done or failed."""
    found = view.buckets.get_by_identifier(view.id, bucket)
    return SyncReply.model_validate(operations.sync_status(view.catalog, found).to_dict())


@router.put("/{bucket}/sync", summary="Have arrivals taken up")
def put_sync(
    view: HeaderWriter, state: State, bucket: _Identifier, wanted: Sync, make_bucket: _New = False
) -> SyncReply:
    """Objects that land at the bucket's `location` are taken up by themselves, or no longer."""
    known = view.buckets.find_by_identifier(view.id, bucket)
    if wanted.queue_url is not None and wanted.queue_url != (known and known.sync and known.sync.queue_url):
        why = "a queue is asked with the installation's own key"
        require_operator(state, "sync.queue_url", why, "Have the operator set it: mixpeek bucket sync on")
    if make_bucket:
        found = operations.bucket_or_new(state.stores, view, bucket)
    else:
        found = view.buckets.get_by_identifier(view.id, bucket)
    changed = operations.set_sync(view.catalog, found, wanted)
    state.graph.request()
    return SyncReply.model_validate(operations.sync_status(view.catalog, changed).to_dict())


@router.put("/{bucket}/schema", summary="What is made of a bucket's objects")
def put_schema(view: HeaderWriter, bucket: _Identifier, wanted: BucketSchema) -> BucketReply:
    """Holds for what is taken up from now on; a backfill has it hold for what was taken up before."""
    found = view.buckets.get_by_identifier(view.id, bucket)
    return BucketReply.counted(view, operations.set_schema(view.catalog, found, wanted))


@router.delete("/{bucket}/schema", summary="Make nothing of a bucket's objects")
def delete_schema(view: HeaderRemover, bucket: _Identifier) -> BucketReply:
    """Objects that are taken up from now on are what they are."""
    found = view.buckets.get_by_identifier(view.id, bucket)
    return BucketReply.counted(view, operations.set_schema(view.catalog, found, None))


@router.post("/{bucket}/reconcile", summary="Compare S3, catalog and Qdrant")
def reconcile_bucket(view: HeaderWriter, state: State, bucket: _Identifier, wanted: Reconcile | None = None) -> Drift:
    """Reads the whole bucket. With `repair`, what differs is entered as arrivals, and orphaned documents go."""
    found = view.buckets.get_by_identifier(view.id, bucket)
    drift = reconcile(state.stores, found, repair=wanted.repair if wanted else False)
    return Drift.model_validate(drift.to_dict())


@router.post("/{bucket}/backfill", status_code=202, summary="Run all objects again")
def backfill(view: HeaderWriter, bucket: _Identifier) -> Backfilled:
    """Takes what was there before a collection or a schema through it; what is unchanged is not computed again."""
    found = view.buckets.get_by_identifier(view.id, bucket)
    return Backfilled(object_count=operations.backfill(view.catalog, found))


@router.delete("/{bucket}", summary="Delete a bucket")
def delete_bucket(view: HeaderRemover, state: State, bucket: _Identifier) -> BucketDeleted:
    """Refused while a collection is fed by it. Its objects in S3 stay."""
    found = view.buckets.get_by_identifier(view.id, bucket)
    operations.delete_bucket(view.catalog, found)
    state.graph.request()
    return BucketDeleted(bucket_id=found.bucket_id, message=f"bucket {found.bucket_name} was deleted")
