"""Buckets and their arrivals as the API shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from mixpeek_dagster.api.pages import Pagination
from mixpeek_dagster.catalog.bucket_schema import BucketSchema
from mixpeek_dagster.catalog.records import Bucket, Name, Sync
from mixpeek_dagster.catalog.tenant import NamespaceView

_SCHEMA = {
    "properties": {"title": {"type": "text"}, "photo": {"type": "image"}, "price": {"type": "number"}},
    "key_pattern": "{customer}/{year}/**",
}


class CreateBucket(BaseModel):
    """A name that is free in the namespace, and perhaps a place and a schema of its own."""

    model_config = ConfigDict(extra="forbid")

    bucket_name: Name = Field(examples=["talks"])
    location: str | None = Field(
        None, description="Place in S3. Only the installation's own command may name one; none = a place of our own."
    )
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


class BucketItem(BaseModel):
    """A bucket without its object count, which would take a query for each."""

    bucket_id: str
    bucket_name: str
    namespace_id: str
    location: str = Field(description="Where its objects are.", examples=["s3://mixpeek/default/talks/"])
    sync: Sync | None
    bucket_schema: BucketSchema | None
    created_at: datetime

    @classmethod
    def of(cls, bucket: Bucket) -> BucketItem:
        """What a list shows of a bucket."""
        return cls.model_validate(bucket.model_dump())


class BucketReply(BucketItem):
    """A bucket with the number of objects that are in it now."""

    object_count: int

    @classmethod
    def counted(cls, view: NamespaceView, bucket: Bucket) -> BucketReply:
        """The bucket with the number of its objects."""
        count = view.objects.count({"bucket_id": bucket.bucket_id})
        return cls.model_validate({"object_count": count, **bucket.model_dump()})


class BucketList(BaseModel):
    """One page of buckets, by name."""

    success: Literal[True] = True
    results: list[BucketItem]
    pagination: Pagination


class BucketDeleted(BaseModel):
    """The bucket that is gone; its objects in S3 stay."""

    success: Literal[True] = True
    bucket_id: str
    message: str


class Backfilled(BaseModel):
    """Objects that will go through the bucket's collections again."""

    success: Literal[True] = True
    object_count: int


class Reconcile(BaseModel):
    """Whether what differs is mended."""

    model_config = ConfigDict(extra="forbid")

    repair: bool = Field(False, description="Enter arrivals for what differs, and delete orphaned documents.")


class Drift(BaseModel):
    """What does not agree between S3, the catalog and Qdrant."""

    agrees: bool
    counts: dict[str, int]
    samples: dict[str, list[str]] = Field(description="The first few keys of each kind.")
