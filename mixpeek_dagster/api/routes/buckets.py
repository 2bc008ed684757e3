"""Buckets of a namespace."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from mixpeek_dagster.api.access import HeaderReader, HeaderRemover, HeaderWriter, State
from mixpeek_dagster.api.pages import Pagination, WantedPage, pagination
from mixpeek_dagster.catalog.bucket_schema import BucketSchema
from mixpeek_dagster.catalog.records import Bucket, Name, Sync
from mixpeek_dagster.errors import InvalidRequest
from mixpeek_dagster.operations import buckets as registry

router = APIRouter(prefix="/buckets", tags=["buckets"])

_SCHEMA = {
    "properties": {"title": {"type": "text"}, "photo": {"type": "image"}, "price": {"type": "number"}},
    "key_pattern": "{customer}/{year}/**",
}
_Identifier = Annotated[str, Path(description="Bucket, by id or name.", examples=["talks"])]


class CreateBucket(BaseModel):
    """A bucket to make."""

    model_config = ConfigDict(extra="forbid")

    bucket_name: Name = Field(examples=["talks"])
    bucket_schema: BucketSchema | None = Field(
        None, description="What is made of the objects' contents, keys and tags.", examples=[_SCHEMA]
    )


class SyncReply(BaseModel):
    """How a bucket's arrivals stand."""

    success: Literal[True] = True
    bucket: str
    location: str
    sync: Sync | None
    arrivals: dict[str, int] = Field(description="How many are seen, batched, done, failed or gone.")
    batches: list[dict[str, Any]] = Field(description="Unfinished, failed and the last finished ones.")
    listed_at: datetime | None
    listed_objects: int | None
    listing_now: int
    dead_letters: list[dict[str, Any]] = Field(description="Event notifications that could not be read.")


class BucketReply(BaseModel):
    """A bucket."""

    bucket_id: str
    bucket_name: str
    namespace_id: str
    location: str = Field(description="Where its objects are.", examples=["s3://mixpeek/default/talks/"])
    bucket_schema: BucketSchema | None
    object_count: int
    created_at: datetime


class BucketItem(BaseModel):
    """A bucket in a list."""

    bucket_id: str
    bucket_name: str
    location: str
    created_at: datetime


class BucketList(BaseModel):
    """Buckets."""

    success: Literal[True] = True
    results: list[BucketItem]
    pagination: Pagination


class BucketDeleted(BaseModel):
    """A bucket was deleted."""

    success: Literal[True] = True
    bucket_id: str
    message: str


def _reply(view: HeaderReader, bucket: Bucket) -> BucketReply:
    count = view.objects.count({"bucket_id": bucket.bucket_id})
    return BucketReply(object_count=count, **bucket.model_dump())


@router.post("", status_code=201, summary="Make a bucket")
def create_bucket(view: HeaderWriter, state: State, wanted: CreateBucket) -> BucketReply:
    """Objects go under its `location`."""
    place, schema = state.settings.s3_bucket, wanted.bucket_schema
    bucket = registry.create_bucket(view.catalog, view.namespace, wanted.bucket_name, place, bucket_schema=schema)
    state.graph.request()
    return _reply(view, bucket)


@router.post("/list", summary="List buckets")
def list_buckets(view: HeaderReader, wanted: WantedPage) -> BucketList:
    """The namespace's buckets, by name."""
    found = view.buckets.find(view.id, skip=wanted.offset, limit=wanted.limit + 1)
    total = view.buckets.count() if wanted.include_total else None
    results = [BucketItem.model_validate(bucket.model_dump()) for bucket in found[: wanted.limit]]
    return BucketList(results=results, pagination=pagination(wanted, len(found), total))


@router.get("/{bucket}", summary="One bucket")
def get_bucket(view: HeaderReader, bucket: _Identifier) -> BucketReply:
    """With the number of its objects."""
    return _reply(view, view.buckets.get_by_identifier(view.id, bucket))


@router.get("/{bucket}/sync", summary="How a bucket's arrivals stand")
def get_sync(view: HeaderReader, bucket: _Identifier) -> SyncReply:
    """What was seen in the bucket, waits, runs, is done or failed."""
    found = view.buckets.get_by_identifier(view.id, bucket)
    return SyncReply.model_validate(registry.sync_status(view.catalog, found).to_dict())


@router.put("/{bucket}/sync", summary="Have arrivals taken up")
def put_sync(view: HeaderWriter, state: State, bucket: _Identifier, wanted: Sync) -> SyncReply:
    """Objects that land at the bucket's `location` are taken up by themselves, or no longer."""
    if wanted.queue_url is not None:
        why, fix = (
            "a queue is asked with the installation's own key",
            "Have the operator set it: mixpeek bucket sync on",
        )
        raise InvalidRequest("sync.queue_url", why=why, fix=fix)
    found = view.buckets.get_by_identifier(view.id, bucket)
    changed = registry.set_sync(view.catalog, found, wanted)
    state.graph.request()
    return SyncReply.model_validate(registry.sync_status(view.catalog, changed).to_dict())


@router.put("/{bucket}/schema", summary="What is made of a bucket's objects")
def put_schema(view: HeaderWriter, bucket: _Identifier, wanted: BucketSchema) -> BucketReply:
    """Holds for what is taken up from now on; a backfill has it hold for what was taken up before."""
    found = view.buckets.get_by_identifier(view.id, bucket)
    return _reply(view, registry.set_schema(view.catalog, found, wanted))


class Backfilled(BaseModel):
    """Objects that will go through the bucket's collections again."""

    success: Literal[True] = True
    object_count: int


@router.post("/{bucket}/backfill", status_code=202, summary="Run all objects again")
def backfill(view: HeaderWriter, bucket: _Identifier) -> Backfilled:
    """Takes what was there before a collection or a schema through it; what is unchanged is not computed again."""
    found = view.buckets.get_by_identifier(view.id, bucket)
    return Backfilled(object_count=registry.backfill(view.catalog, found))


@router.delete("/{bucket}", summary="Delete a bucket")
def delete_bucket(view: HeaderRemover, state: State, bucket: _Identifier) -> BucketDeleted:
    """Refused while a collection is fed by it. Its objects in S3 stay."""
    found = view.buckets.get_by_identifier(view.id, bucket)
    registry.delete_bucket(view.catalog, found)
    state.graph.request()
    return BucketDeleted(bucket_id=found.bucket_id, message=f"bucket {found.bucket_name} was deleted")
