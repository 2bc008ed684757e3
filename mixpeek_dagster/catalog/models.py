"""Models that were uploaded to a namespace, and their uploads."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pymongo import ASCENDING

from mixpeek_dagster.catalog.records import Record
from mixpeek_dagster.catalog.repository import Repository
from mixpeek_dagster.catalog.uploads import UploadRecord, Uploads, UploadStatus
from mixpeek_dagster.errors import NotFound


class ModelFormat(StrEnum):
    """What a model's file is: a safetensors file, a state dict that torch saved, or a packed Hugging Face folder."""

    SAFETENSORS = "safetensors"
    PYTORCH = "pytorch"
    HUGGINGFACE = "huggingface"


class ModelRecord(Record):
    """A model at a version, in a namespace. It never changes.

    `content_hash` is the sha256 of its file, or over its files if it is a folder; `object_key` is where its file is
    kept; `bytes` is the size of its weights, `tensors` and `parameters` what they hold.
    """

    record_id: str
    model_id: str
    namespace_id: str
    organization_id: str
    name: str
    version: str
    description: str = ""
    model_format: ModelFormat
    object_key: str
    content_hash: str
    file_size_bytes: int
    bytes: int
    tensors: int
    parameters: int
    dtypes: tuple[str, ...]
    created_at: datetime


class ModelUpload(UploadRecord):
    """A model's file on its way."""

    model_format: ModelFormat
    model_id: str | None = None
    error: str = ""


def model_record_id(namespace_id: str, model_id: str) -> str:
    """Id of a model's record: a version is registered once in a namespace."""
    return f"{namespace_id}:{model_id}"


class Models(Repository[ModelRecord]):
    """Model ids are unique within a namespace."""

    kind, record, key = "model", ModelRecord, "record_id"
    indexes = (((("namespace_id", ASCENDING), ("model_id", ASCENDING)), True),)

    def find(self, namespace_id: str, *, skip: int = 0, limit: int = 0) -> list[ModelRecord]:
        """A namespace's models, by id.

        Args:
            limit: at most so many; 0 = all.
        """
        order = [("namespace_id", ASCENDING), ("model_id", ASCENDING)]
        return list(self._find({"namespace_id": namespace_id}, order, skip=skip, limit=limit))

    def find_one(self, namespace_id: str, model_id: str) -> ModelRecord | None:
        return self._find_one({"_id": model_record_id(namespace_id, model_id)})

    def in_namespace(self, namespace_id: str, model_id: str) -> ModelRecord:
        """A namespace's model by id.

        Raises:
            NotFound: there is none; names those there are.
        """
        found = self.find_one(namespace_id, model_id)
        if found is None:
            known = ", ".join(model.model_id for model in self.find(namespace_id, limit=20)) or "none yet"
            raise NotFound(f"model {model_id!r}", why="the namespace has none of that id", fix=f"There are: {known}")
        return found


class ModelUploads(Uploads[ModelUpload]):
    kind, record = "model_upload", ModelUpload

    def finish(self, upload_id: str, status: UploadStatus, model_id: str | None, error: str = "") -> None:
        """Note what became of an upload."""
        self._finish(upload_id, status, {"model_id": model_id, "error": error})
