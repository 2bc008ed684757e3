"""Uploads of plugins as clients see them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from mixpeek_dagster.api.schemas.plugins import PLUGIN_ID, SHORT_STATUS, ValidationProblem, feature_uri
from mixpeek_dagster.catalog.plugins import PluginRecord
from mixpeek_dagster.s3_url import S3Url


class CreateUpload(BaseModel):
    """A plugin that is going to be uploaded."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(pattern=r"^[a-zA-Z][a-zA-Z0-9_]{2,63}$", examples=["my_extractor"])
    version: str = Field(max_length=32, examples=["1.0.0"], description="X.Y.Z; v1 and 1.0 mean 1.0.0.")
    description: str = Field("", max_length=500)
    file_size_bytes: int | None = Field(None, ge=1, description="Refused at once if it is over the limit.")
    presigned_url_expiration: int = Field(3600, ge=60, le=86400, description="Seconds.")


class Upload(BaseModel):
    """Where to put the archive."""

    upload_id: str = Field(examples=["upl_5f0c9a1b2c3d"])
    presigned_url: str = Field(description="PUT the zip here, then confirm.")
    s3_key: str
    expires_at: datetime
    namespace_id: str
    name: str
    version: str


class PendingUpload(BaseModel):
    """An upload that was promised: waited for, registered as a plugin, or refused and why."""

    upload_id: str
    name: str
    version: str
    status: Literal["PENDING", "COMPLETED", "FAILED"]
    plugin_id: str | None = None
    validation_errors: list[ValidationProblem] = []
    created_at: datetime
    expires_at: datetime


class PendingUploads(BaseModel):
    """A namespace's uploads, newest first."""

    success: Literal[True] = True
    results: list[PendingUpload]


class ConfirmUpload(BaseModel):
    """What the client knows of the file it has put."""

    model_config = ConfigDict(extra="forbid")

    etag: str | None = Field(None, max_length=200)
    file_size_bytes: int | None = Field(None, ge=1)
    replace: bool = Field(
        False, description="Take the place of other content of this version, if no collection uses it."
    )


class PluginConfirmed(BaseModel):
    """A plugin that has passed validation."""

    success: Literal[True] = True
    upload_id: str | None = None
    plugin_id: str = Field(examples=[PLUGIN_ID])
    validation_status: Literal["passed"] = "passed"
    validation_errors: list[ValidationProblem] = Field(default=[], description="Warnings.")
    deployment_status: Literal["deployed", "pending", "failed", "not_deployed"] = "not_deployed"
    feature_uri: str | None = Field(None, examples=["mixpeek://my_extractor@1.0.0/my_embedding"])
    s3_archive_url: str
    code_hash: str
    message: str

    @classmethod
    def of(cls, plugin: PluginRecord, bucket: str, upload_id: str | None = None) -> PluginConfirmed:
        """`upload_id` is None where a plugin came in one request, without a promise."""
        return cls(
            upload_id=upload_id,
            plugin_id=plugin.plugin_id,
            validation_errors=[ValidationProblem.model_validate(problem) for problem in plugin.validation_errors],
            deployment_status=SHORT_STATUS[plugin.deployment.status],
            feature_uri=feature_uri(plugin),
            s3_archive_url=str(S3Url(bucket, plugin.archive)),
            code_hash=plugin.code_hash,
            message=f"plugin {plugin.plugin_id} is ready for collections",
        )
