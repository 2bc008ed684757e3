"""Uploads: files on their way, promised, perhaps put, and nothing before they are confirmed."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from pymongo import ASCENDING

from mixpeek_dagster.catalog.records import Record
from mixpeek_dagster.catalog.repository import Repository


class UploadStatus(StrEnum):
    """How far an upload has come."""

    PENDING = "PENDING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


class UploadRecord(Record):
    """What uploads of every kind share."""

    upload_id: str
    namespace_id: str
    organization_id: str
    name: str
    version: str
    description: str = ""
    object_key: str
    status: UploadStatus = UploadStatus.PENDING
    created_at: datetime
    expires_at: datetime


U = TypeVar("U", bound=UploadRecord)


class Uploads(Repository[U]):
    """Uploads that were promised, of plugins or of models."""

    key = "upload_id"
    indexes = (((("namespace_id", ASCENDING),), False),)

    def newest_first(self) -> list[U]:
        return sorted(self.all(), key=lambda upload: upload.created_at, reverse=True)

    def _finish(self, upload_id: str, status: UploadStatus, values: dict[str, Any]) -> None:
        self._update({"_id": upload_id}, {"$set": {"status": status.value, **values}})
