"""Records of the catalog; one class per kind."""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from mixpeek_dagster.catalog.bucket_schema import BucketSchema
from mixpeek_dagster.errors import InvalidRequest
from mixpeek_dagster.s3_url import S3Url

_NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{1,63}$"
Name = Annotated[str, StringConstraints(pattern=_NAME)]


def require_name(kind: str, name: str) -> None:
    """Refuse a name that cannot be one.

    Raises:
        InvalidRequest: says what a name may be.
    """
    if not re.match(_NAME, name):
        fix = "Use 2 to 64 letters, digits, - and _, beginning with a letter or digit"
        raise InvalidRequest(
            f"{kind} name {name!r}", why="it has characters or a length that names cannot have", fix=fix
        )


class TaskStatus(StrEnum):
    """How far a task or batch has come."""

    DRAFT = "DRAFT"
    PENDING = "PENDING"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    COMPLETED_WITH_ERRORS = "COMPLETED_WITH_ERRORS"
    FAILED = "FAILED"
    CANCELED = "CANCELED"

    @property
    def terminal(self) -> bool:
        """Whether nothing will change it any more."""
        return self not in (TaskStatus.DRAFT, TaskStatus.PENDING, TaskStatus.IN_PROGRESS)


class Record(BaseModel):
    """What all records share: they do not change in memory.

    `schema_version` is that of the records of its kind, and is stored with each; see `mixpeek_dagster.migrations`.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")
    schema_version: ClassVar[int] = 1


DEFAULT_ORGANIZATION = "local"


class Namespace(Record):
    """A tenant's space: one Qdrant collection.

    `address` names it in the whole installation: its own name in the default organization, else `organization/name`.
    """

    namespace_id: str
    namespace_name: Name
    organization_id: str
    address: str
    description: str = ""
    created_at: datetime


class Sync(Record):
    """How a bucket's arrivals are seen and put together.

    Args:
        enabled: whether objects that land in S3 are taken up by themselves.
        include: globs of keys that count; none = all.
        exclude: globs of keys that do not.
        mime_types: types that count, such as `image/*`; none = all.
        max_object_bytes: larger objects are left alone.
        listing: whether the bucket is listed, which finds everything, though late in a large bucket.
        queue_url: SQS queue of the bucket's event notifications; none = no events.
        batch_objects: a batch is made when so many objects wait,
        batch_bytes: or so many bytes,
        batch_seconds: or the oldest has waited so long.
        tick_seconds: pause between two looks.
        attempts: how often a batch may fail before it is given up; the loss of its process is not a failure.
        priority: of the bucket's runs among those that wait; higher ones go first.
        keep_batches: finished batches that stay as partitions in Dagster; older ones are retired.
    """

    enabled: bool = True
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    mime_types: tuple[str, ...] = ()
    max_object_bytes: int = Field(5 * 2**40, ge=1, le=2**53)
    listing: bool = True
    queue_url: str | None = None
    batch_objects: int = Field(1000, ge=1, le=100_000)
    batch_bytes: int = Field(10 * 2**30, ge=1, le=2**53)
    batch_seconds: float = Field(5.0, ge=0, le=86_400)
    tick_seconds: int = Field(10, ge=1, le=86_400)
    attempts: int = Field(5, ge=1, le=100)
    priority: int = Field(0, ge=-1000, le=1000)
    keep_batches: int = Field(5000, ge=1, le=100_000)


class Bucket(Record):
    """Where objects come from.

    `location` is the place of its objects in S3, `s3://bucket/prefix/`; `sync` says how arrivals there are taken up,
    `bucket_schema` what is made of their contents, keys and tags.
    """

    bucket_id: str
    namespace_id: str
    bucket_name: Name
    location: str
    sync: Sync | None = None
    bucket_schema: BucketSchema | None = None
    created_at: datetime

    @property
    def prefix(self) -> str:
        """Key prefix of its objects, with a slash at the end."""
        return S3Url.parse(self.location).key

    def url(self, key: str) -> str:
        """The `s3://` URL of an object by its key below the location."""
        return str(S3Url(self.s3_bucket, f"{self.prefix}{key}"))

    @property
    def s3_bucket(self) -> str:
        """Of its location: `talks` of `s3://talks/2024/`."""
        return S3Url.parse(self.location).bucket


class Blob(Record):
    """One named piece of an object's content."""

    blob_id: str
    property: str
    type: str
    url: str
    mime_type: str
    size_bytes: int
    etag: str
    content_hash: str


class Object(Record):
    """What was put into a bucket under one key."""

    object_id: str
    bucket_id: str
    namespace_id: str
    key: str
    blobs: tuple[Blob, ...]
    properties: dict[str, Any] = Field(default_factory=dict)
    updated_at: datetime


class SourceReference(Record):
    """What feeds a collection."""

    type: Literal["bucket", "collection"]
    bucket_id: str | None = None
    collection_id: str | None = None
    source_filters: dict[str, Any] = Field(default_factory=dict)


class PluginReference(Record):
    """Which plugin a collection runs: a folder that is read as it is, or a registered archive that never changes."""

    name: str
    version: str
    plugin_id: str
    folder: str | None = None
    archive: str | None = None
    code_hash: str | None = None

    def folder_path(self, cache: Path) -> Path:
        """The folder; that of an archive is in the cache of unpacked plugins."""
        return Path(self.folder) if self.folder else cache / str(self.code_hash) / self.name


class NamedVector(Record):
    """A named vector that a collection's documents carry."""

    name: str
    dimensions: int
    distance: str


class Collection(Record):
    """A source and exactly one plugin with parameters; writes documents."""

    collection_id: str
    namespace_id: str
    collection_name: Name
    source: SourceReference
    plugin: PluginReference
    parameters: dict[str, Any] = Field(default_factory=dict)
    input_mappings: dict[str, str] = Field(default_factory=dict)
    vector_indexes: tuple[NamedVector, ...] = ()
    enabled: bool = True
    created_at: datetime


class RunScope(StrEnum):
    """How much of a batch its next run does.

    CHANGED rows are computed, all others reused; ALL rows are computed; WRITES takes the rows that were computed and
    kept, and only writes them to Qdrant.
    """

    CHANGED = "changed"
    ALL = "all"
    WRITES = "writes"


class Batch(Record):
    """Objects that are processed together.

    `content_hash` names the objects and their contents; `tiers` holds status, run and ledger by collection id.
    `status` and `attempt` are those of a batch that arrivals made: DRAFT while it is put together, PENDING until all
    its collections have run; None for one that was ingested by hand. `failures` counts its attempts that
    failed since it was last sent, `interruptions` those that ended with the loss of their process.
    """

    batch_id: str
    bucket_id: str
    namespace_id: str
    object_count: int
    removed_count: int = 0
    content_hash: str
    created_at: datetime
    status: TaskStatus | None = None
    attempt: int = 1
    failures: int = 0
    interruptions: int = 0
    retry_at: datetime | None = None
    scope: RunScope = RunScope.CHANGED
    retired: bool = False
    reason: str = ""
    finished_at: datetime | None = None
    tiers: dict[str, dict[str, Any]] = Field(default_factory=dict)


class Task(Record):
    """One collection's work on one batch, as a client of the API sees it."""

    task_id: str
    namespace_id: str
    batch_id: str
    collection_id: str
    run_id: str
    status: TaskStatus
    counters: dict[str, int] = Field(default_factory=dict)
    errors: list[dict[str, Any]] = Field(default_factory=list)
    reason: str = ""
    created_at: datetime
    updated_at: datetime
