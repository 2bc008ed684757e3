"""Models of a namespace and their uploads as clients see them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from mixpeek_dagster.catalog.models import ModelFormat, ModelRecord
from mixpeek_dagster.s3_url import S3Url

_MODEL_ID = "my-fine-tuned-bert_1_0_0"


class CreateModelUpload(BaseModel):
    """A name and version that are free in the namespace, and the format of the weights."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    name: str = Field(pattern=r"^[a-zA-Z][a-zA-Z0-9_-]{2,63}$", examples=["my-fine-tuned-bert"])
    version: str = Field(max_length=32, examples=["1.0.0"], description="X.Y.Z; v1 and 1.0 mean 1.0.0.")
    model_format: ModelFormat = Field(
        description="A safetensors file, a state dict that torch saved, or a Hugging Face folder as zip or tar.gz."
    )
    description: str = Field("", max_length=500)
    file_size_bytes: int | None = Field(None, ge=1, description="Refused at once if it is over the limit.")
    presigned_url_expiration: int = Field(3600, ge=60, le=86400, description="Seconds.")


class PromisedModelUpload(BaseModel):
    """Where to put the file."""

    upload_id: str = Field(examples=["upl_5f0c9a1b2c3d"])
    presigned_url: str = Field(description="PUT the file here, then confirm.")
    s3_key: str
    expires_at: datetime
    namespace_id: str
    name: str
    version: str


class PendingModelUpload(BaseModel):
    """An upload that was promised: waited for, registered as a model, or refused and why."""

    model_config = ConfigDict(protected_namespaces=())

    upload_id: str
    name: str
    version: str
    model_format: ModelFormat
    status: Literal["PENDING", "COMPLETED", "FAILED"]
    model_id: str | None = None
    error: str = Field("", description="Why it FAILED.")
    created_at: datetime
    expires_at: datetime


class PendingModelUploads(BaseModel):
    """A namespace's uploads, newest first."""

    success: Literal[True] = True
    results: list[PendingModelUpload]


class ModelConfirmed(BaseModel):
    """A model that can be used."""

    model_config = ConfigDict(protected_namespaces=())

    success: Literal[True] = True
    upload_id: str
    model_id: str = Field(examples=[_MODEL_ID])
    validation_status: Literal["passed"] = "passed"
    content_hash: str
    model_archive_url: str
    message: str


class Model(BaseModel):
    """What the catalog says of a namespace's model: its file, its format, and the size of its weights."""

    model_config = ConfigDict(protected_namespaces=())

    model_id: str = Field(examples=[_MODEL_ID])
    namespace_id: str
    organization_id: str
    name: str
    version: str
    description: str
    model_format: ModelFormat
    model_archive_url: str
    content_hash: str = Field(description="sha256 of its file, or over its files.")
    file_size_bytes: int
    bytes: int = Field(description="Size of its weights.")
    tensors: int
    parameters: int = Field(description="Numbers in its weights.")
    dtypes: list[str] = Field(examples=[["float32"]])
    cached: bool = Field(description="Whether the machine that answers has it.")
    created_at: datetime

    @classmethod
    def of(cls, model: ModelRecord, bucket: str, cached: bool) -> Model:
        """What is shown of a model's record."""
        fields = model.model_dump(include=set(cls.model_fields))
        return cls(model_archive_url=str(S3Url(bucket, model.object_key)), cached=cached, **fields)


class ModelReply(BaseModel):
    """One model of the namespace."""

    success: Literal[True] = True
    model: Model


class ModelList(BaseModel):
    """One page of a namespace's models, by id; `total` counts all."""

    success: Literal[True] = True
    models: list[Model]
    total: int
    namespace_id: str


class ModelDeployed(BaseModel):
    """A model was fetched to the machine that answers."""

    model_config = ConfigDict(protected_namespaces=())

    success: Literal[True] = True
    model_id: str
    namespace_id: str
    deployment_status: Literal["deployed"] = "deployed"
    cached: Literal[True] = True
    message: str


class ModelDeleted(BaseModel):
    """The model that is gone, with its files in S3."""

    model_config = ConfigDict(protected_namespaces=())

    success: Literal[True] = True
    model_id: str
    message: str


class StoredModel(BaseModel):
    """A model of the installation's store."""

    model_id: str = Field(examples=["sentence-transformers/all-MiniLM-L6-v2"])
    place: str = Field(description="The store, the hub's cache, or a package that carries it.")
    size: int = Field(description="In bytes; 0 if a package carries it.")
    cached: bool = Field(description="Whether it is on the API's machine.")


class StoredModels(BaseModel):
    """Models of the installation's store."""

    success: Literal[True] = True
    models: list[StoredModel]
