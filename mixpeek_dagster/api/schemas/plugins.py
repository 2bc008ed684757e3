"""Plugins and their uploads as clients see them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from mixpeek_dagster.catalog.plugins import Deployment, DeploymentStatus, PluginRecord
from mixpeek_dagster.plugins.parameters import secret_like
from mixpeek_dagster.s3_url import S3Url

_PLUGIN_ID = "my_extractor_1_0_0"


class ValidationProblem(BaseModel):
    """One thing that validation found."""

    severity: Literal["error", "warning"]
    code: str = Field(examples=["feature_unknown_key"])
    message: str
    fix: str = ""
    file: str = Field(description="Path in the plugin's folder.", examples=["manifest.py"])
    line: int = 1
    column: int = 1


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
    """An upload and what became of it."""

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
    plugin_id: str = Field(examples=[_PLUGIN_ID])
    validation_status: Literal["passed"] = "passed"
    validation_errors: list[ValidationProblem] = Field(default=[], description="Warnings.")
    deployment_status: Literal["deployed", "pending", "failed", "not_deployed"] = "not_deployed"
    feature_uri: str | None = Field(None, examples=["mixpeek://my_extractor@1.0.0/my_embedding"])
    s3_archive_url: str
    code_hash: str
    message: str

    @classmethod
    def of(cls, plugin: PluginRecord, bucket: str, upload_id: str | None = None) -> PluginConfirmed:
        """The reply to a confirmation."""
        return cls(
            upload_id=upload_id,
            plugin_id=plugin.plugin_id,
            validation_errors=[ValidationProblem.model_validate(problem) for problem in plugin.validation_errors],
            deployment_status=_SHORT[plugin.deployment.status],
            feature_uri=feature_uri(plugin),
            s3_archive_url=str(S3Url(bucket, plugin.archive)),
            code_hash=plugin.code_hash,
            message=f"plugin {plugin.plugin_id} is ready for collections",
        )


class Plugin(BaseModel):
    """A registered plugin."""

    plugin_id: str = Field(examples=[_PLUGIN_ID])
    namespace_id: str
    organization_id: str
    name: str
    version: str
    description: str
    s3_archive_url: str
    code_hash: str = Field(description="sha256 over the plugin's files.")
    validation_status: Literal["passed", "failed"]
    validation_errors: list[ValidationProblem]
    security_scan_passed: bool
    enabled: bool = Field(description="Whether new collections may use it.")
    params: dict[str, Any] = Field(description="Defaults for the collections that use it.")
    source_namespace_id: str | None = Field(description="Where it was enabled from.")
    deployed: bool
    deployment_info: Deployment
    feature_uri: str | None
    manifest: dict[str, Any]
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, plugin: PluginRecord, bucket: str) -> Plugin:
        """What is shown of a plugin's record."""
        own = {"s3_archive_url", "deployed", "deployment_info", "feature_uri"}
        return cls(
            s3_archive_url=str(S3Url(bucket, plugin.archive)),
            deployed=plugin.deployment.status is DeploymentStatus.DEPLOYED,
            deployment_info=plugin.deployment,
            feature_uri=feature_uri(plugin),
            **plugin.model_dump(include=set(cls.model_fields) - own),
        )


class PluginReply(BaseModel):
    """One plugin."""

    success: Literal[True] = True
    plugin: Plugin
    presigned_download_url: str | None = None


class PluginList(BaseModel):
    """Plugins of a namespace."""

    success: Literal[True] = True
    plugins: list[Plugin]
    total: int
    namespace_id: str


class AvailablePlugin(Plugin):
    """A plugin of the organization, seen from a namespace."""

    enabled_in_namespace: bool


class AvailablePlugins(BaseModel):
    """Plugins that could be enabled in a namespace."""

    success: Literal[True] = True
    plugins: list[AvailablePlugin]
    total: int
    namespace_id: str
    organization_id: str


class EnablePlugin(BaseModel):
    """How to enable a plugin."""

    model_config = ConfigDict(extra="forbid")

    params: dict[str, Any] | None = Field(
        None, description="Defaults for collections; not encrypted.", examples=[{"threshold": 0.8}]
    )
    deploy: bool = Field(True, description="Accepted for clients of the original; deploying is a call of its own.")


class PluginEnabled(BaseModel):
    """A plugin was switched on or off."""

    success: Literal[True] = True
    plugin_id: str
    namespace_id: str
    enabled: bool
    feature_uri: str | None
    deployment_status: Literal["deployed", "pending", "skipped"]
    message: str


class PluginDeleted(BaseModel):
    """A plugin was deleted."""

    success: Literal[True] = True
    plugin_id: str
    message: str
    deployment_removed: bool


class PluginDeployment(BaseModel):
    """What a deployment came to."""

    status: Literal["queued", "deployed", "batch_only"]
    deployment_type: Literal["batch_only", "realtime"]
    route_prefix: str | None = None
    message: str


class PluginStatus(BaseModel):
    """How far a plugin's realtime endpoint has come."""

    plugin_id: str
    namespace_id: str
    status: DeploymentStatus
    name: str
    version: str
    realtime_enabled: bool = Field(description="Whether it has a realtime.py.")
    message: str
    queued_at: datetime | None
    deployed: bool
    deployed_at: datetime | None
    route_prefix: str | None
    feature_uri: str | None
    error: str | None = Field(description="Why it FAILED.")

    @classmethod
    def of(cls, plugin: PluginRecord) -> PluginStatus:
        """The status in a plugin's record."""
        deployment = plugin.deployment
        failed = deployment.status is DeploymentStatus.FAILED
        return cls(
            plugin_id=plugin.plugin_id,
            namespace_id=plugin.namespace_id,
            status=deployment.status,
            name=plugin.name,
            version=plugin.version,
            realtime_enabled=plugin.has_realtime,
            message=deployment.reason,
            queued_at=deployment.queued_at,
            deployed=deployment.status is DeploymentStatus.DEPLOYED,
            deployed_at=deployment.deployed_at,
            route_prefix=deployment.route,
            feature_uri=feature_uri(plugin),
            error=deployment.reason if failed else None,
        )


class Reconfigure(BaseModel):
    """Consent to a reconfiguration."""

    model_config = ConfigDict(extra="forbid")

    confirm: Literal[True] = Field(description="Must be true.")


class Reconfigured(BaseModel):
    """What a reconfiguration did. Nothing is ever removed."""

    status: Literal["reconfigured", "no_changes_needed"]
    previous_points_count: int
    vectors_added: list[str]
    vectors_total: list[str]
    collections_to_reprocess: list[str]
    message: str


_SHORT: dict[DeploymentStatus, Literal["deployed", "pending", "failed", "not_deployed"]] = {
    DeploymentStatus.NOT_DEPLOYED: "not_deployed",
    DeploymentStatus.QUEUED: "pending",
    DeploymentStatus.PENDING: "pending",
    DeploymentStatus.IN_PROGRESS: "pending",
    DeploymentStatus.DEPLOYED: "deployed",
    DeploymentStatus.FAILED: "failed",
}


def feature_uri(plugin: PluginRecord) -> str | None:
    """The manifest's feature_uri, or that of the plugin's first vector."""
    if uri := plugin.manifest.get("feature_uri"):
        return str(uri)
    vectors = plugin.vector_indexes
    return f"mixpeek://{plugin.name}@{plugin.version}/{vectors[0].name}" if vectors else None


def enabled_reply(plugin: PluginRecord, params: dict[str, Any] | None) -> PluginEnabled:
    """The reply to enabling or disabling."""
    message = f"plugin {plugin.plugin_id} is {'enabled' if plugin.enabled else 'disabled'} in this namespace"
    secret = [name for name in params or {} if secret_like(name)]
    if secret:
        message += f"; params are kept in clear, and {', '.join(secret)} looks like a secret"
    short = _SHORT[plugin.deployment.status]
    return PluginEnabled(
        plugin_id=plugin.plugin_id,
        namespace_id=plugin.namespace_id,
        enabled=plugin.enabled,
        feature_uri=feature_uri(plugin),
        deployment_status=short if short in ("deployed", "pending") else "skipped",
        message=message,
    )
