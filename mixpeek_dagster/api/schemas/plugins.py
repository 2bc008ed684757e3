"""Plugins and their uploads as clients see them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from mixpeek_dagster.catalog.plugins import Deployment, DeploymentStatus, PluginRecord
from mixpeek_dagster.plugins.parameters import secret_like
from mixpeek_dagster.s3_url import S3Url

PLUGIN_ID = "my_extractor_1_0_0"


class ValidationProblem(BaseModel):
    """One thing that validation found."""

    severity: Literal["error", "warning"]
    code: str = Field(examples=["feature_unknown_key"])
    message: str
    fix: str = ""
    file: str = Field(description="Path in the plugin's folder.", examples=["manifest.py"])
    line: int = 1
    column: int = 1


class Plugin(BaseModel):
    """What the catalog says of a namespace's plugin: its manifest, how validation went, where it is deployed."""

    plugin_id: str = Field(examples=[PLUGIN_ID])
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
    """One plugin of the namespace, and where its archive can be had."""

    success: Literal[True] = True
    plugin: Plugin
    presigned_download_url: str | None = None


class PluginList(BaseModel):
    """One page of a namespace's plugins, by id; `total` counts all."""

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
    """Default parameters for the collections that will use it."""

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
    """The plugin that is gone; its archive goes with it unless another namespace uses it."""

    success: Literal[True] = True
    plugin_id: str
    message: str
    deployment_removed: bool


class PluginDeployment(BaseModel):
    """Whether a service was queued, runs already, or is not needed."""

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
        """`error` only if the deployment has failed; else the reason is the `message`."""
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
    """Consent to vectors being added, which cannot be undone."""

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


SHORT_STATUS: dict[DeploymentStatus, Literal["deployed", "pending", "failed", "not_deployed"]] = {
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
    """Says so, too, if a parameter looks like a secret: parameters are kept in clear."""
    message = f"plugin {plugin.plugin_id} is {'enabled' if plugin.enabled else 'disabled'} in this namespace"
    secret = [name for name in params or {} if secret_like(name)]
    if secret:
        message += f"; params are kept in clear, and {', '.join(secret)} looks like a secret"
    short = SHORT_STATUS[plugin.deployment.status]
    return PluginEnabled(
        plugin_id=plugin.plugin_id,
        namespace_id=plugin.namespace_id,
        enabled=plugin.enabled,
        feature_uri=feature_uri(plugin),
        deployment_status=short if short in ("deployed", "pending") else "skipped",
        message=message,
    )
