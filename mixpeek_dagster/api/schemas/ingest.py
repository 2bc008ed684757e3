"""Files on their way into a bucket, as the API is told of them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from mixpeek_dagster.ingest.files import FileEntry


class IngestFile(BaseModel):
    """A file, described by whoever has it."""

    model_config = ConfigDict(extra="forbid")

    key: str = Field(min_length=1, max_length=1024, description="Key of its object.", examples=["docs/README.md"])
    size_bytes: int = Field(ge=0, le=5 * 2**40)
    content_hash: str = Field(pattern="^[0-9a-f]{64}$", description="sha256 of its content.")
    mime_type: str = Field(pattern=r"^[\w.+-]+/[\w.+-]+$", max_length=255, examples=["text/markdown"])

    def entry(self) -> FileEntry:
        """The same in ingest's own words."""
        return FileEntry(self.key, self.size_bytes, self.content_hash, self.mime_type)


class IngestFiles(BaseModel):
    """Files for one bucket, described and not sent: their bytes go to presigned URLs."""

    model_config = ConfigDict(extra="forbid")

    bucket: str = Field(description="By id or name; made under that name if it is new.", examples=["notes"])
    files: list[IngestFile] = Field(min_length=1)


class PlanIngest(IngestFiles):
    """Files to put."""

    presigned_url_expiration: int = Field(3600, ge=60, le=86_400, description="Seconds that the URLs hold.")


class PutFile(BaseModel):
    """The presigned URL that takes one file, and the key that it gets."""

    key: str
    s3_key: str
    presigned_url: str | None = Field(description="PUT the file's bytes to it; over HTTP it is never null.")


class IngestPlan(BaseModel):
    """What has to be put before the batch can be made."""

    success: Literal[True] = True
    bucket_id: str
    uploads: list[PutFile]
    unchanged: int = Field(description="How many files the bucket holds as they are.")


class Ingested(BaseModel):
    """The batch that the files are."""

    success: Literal[True] = True
    batch_id: str
    bucket_id: str
    objects: int
    created_at: datetime
