"""Registered plugins and their uploads."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field
from pymongo import ASCENDING

from mixpeek_dagster.catalog.records import NamedVector, PluginReference, Record
from mixpeek_dagster.catalog.repository import Repository
from mixpeek_dagster.catalog.uploads import UploadRecord, Uploads, UploadStatus


class DeploymentStatus(StrEnum):
    """How far a plugin's realtime endpoint has come."""

    NOT_DEPLOYED = "NOT_DEPLOYED"
    QUEUED = "QUEUED"
    PENDING = "PENDING"
    IN_PROGRESS = "IN_PROGRESS"
    DEPLOYED = "DEPLOYED"
    FAILED = "FAILED"


class Deployment(Record):
    """The realtime endpoint of a plugin.

    `reason` says why it is in this state; `route` is where it answers once it is DEPLOYED. `serving` is the code that
    answers requests: while a newer one is being deployed, or when that has failed, the one before. `probe` says whether
    it must embed as the batch path does.
    """

    status: DeploymentStatus = DeploymentStatus.NOT_DEPLOYED
    reason: str = ""
    route: str | None = None
    queued_at: datetime | None = None
    deployed_at: datetime | None = None
    updated_at: datetime
    serving: PluginReference | None = None
    probe: bool = True
    cold_start_seconds: float | None = None


class PluginRecord(Record):
    """A plugin at a version, registered in a namespace.

    `manifest` is what its manifest says, JSON-ready; `params` are defaults for the collections that use it;
    `source_namespace_id` names the namespace it was enabled from, if it was not uploaded here.
    """

    record_id: str
    plugin_id: str
    namespace_id: str
    organization_id: str
    name: str
    version: str
    description: str = ""
    archive: str
    code_hash: str
    validation_status: Literal["passed", "failed"]
    validation_errors: tuple[dict[str, Any], ...] = ()
    security_scan_passed: bool = True
    manifest: dict[str, Any] = Field(default_factory=dict)
    enabled: bool = True
    params: dict[str, Any] = Field(default_factory=dict)
    source_namespace_id: str | None = None
    deployment: Deployment
    created_at: datetime
    updated_at: datetime

    @property
    def usable(self) -> bool:
        """Whether collections may be made of it."""
        return self.enabled and self.validation_status == "passed"

    @property
    def has_realtime(self) -> bool:
        """Whether it has a `realtime.py`, and so an endpoint."""
        return bool(self.manifest.get("has_realtime"))

    @property
    def vector_indexes(self) -> tuple[NamedVector, ...]:
        """The named vectors that its documents carry."""
        return tuple(
            NamedVector(name=f["name"], dimensions=f["dimension"], distance=f["distance"])
            for f in self.manifest.get("features", ())
        )

    @property
    def reference(self) -> PluginReference:
        """How a collection points at it."""
        return PluginReference(
            name=self.name,
            version=self.version,
            plugin_id=self.plugin_id,
            archive=self.archive,
            code_hash=self.code_hash,
        )


class PluginUpload(UploadRecord):
    """An archive on its way: not a plugin before it is confirmed."""

    plugin_id: str | None = None
    validation_errors: tuple[dict[str, Any], ...] = ()


def plugin_record_id(namespace_id: str, plugin_id: str) -> str:
    """Id of a plugin's record: a version is registered once in a namespace."""
    return f"{namespace_id}:{plugin_id}"


class Plugins(Repository[PluginRecord]):
    """Plugin ids are unique within a namespace."""

    kind, record, key = "plugin", PluginRecord, "record_id"
    indexes = (
        ((("namespace_id", ASCENDING), ("plugin_id", ASCENDING)), True),
        ((("organization_id", ASCENDING), ("plugin_id", ASCENDING)), False),
        ((("deployment.status", ASCENDING),), False),
    )

    def find(self, namespace_id: str, *, skip: int = 0, limit: int = 0) -> list[PluginRecord]:
        """A namespace's plugins, by id.

        Args:
            limit: at most so many; 0 = all.
        """
        order = [("namespace_id", ASCENDING), ("plugin_id", ASCENDING)]
        return list(self._find({"namespace_id": namespace_id}, order, skip=skip, limit=limit))

    def find_one(self, namespace_id: str, plugin_id: str) -> PluginRecord | None:
        return self._find_one({"_id": plugin_record_id(namespace_id, plugin_id)})

    def of_organization(self, organization_id: str, plugin_id: str | None = None) -> list[PluginRecord]:
        """Plugins of all of an organization's namespaces, or the one of this id in each that has it."""
        query = {"organization_id": organization_id} | ({"plugin_id": plugin_id} if plugin_id else {})
        return list(self._find(query, [("organization_id", ASCENDING), ("plugin_id", ASCENDING)]))

    def set_enabled(self, record_id: str, enabled: bool, params: Mapping[str, Any] | None = None) -> bool:
        """Switch a plugin on or off in its namespace; returns whether it was there."""
        change: dict[str, Any] = {"enabled": enabled, "updated_at": datetime.now(UTC)}
        if params is not None:
            change["params"] = dict(params)
        return self._update({"_id": record_id}, {"$set": change})

    def with_endpoints(self) -> list[PluginRecord]:
        """Plugins of all tenants that have an endpoint, or shall get or lose one."""
        return list(self._find({"deployment.status": {"$ne": DeploymentStatus.NOT_DEPLOYED.value}}))

    def set_deployment(self, record_id: str, expected: Deployment, deployment: Deployment) -> bool:
        """Enter a deployment if nobody has changed the expected one; returns whether it was so."""
        same = {"deployment.status": expected.status.value, "deployment.queued_at": expected.queued_at}
        return self._update({"_id": record_id, **same}, {"$set": {"deployment": deployment.model_dump(mode="python")}})


class PluginUploads(Uploads[PluginUpload]):
    kind, record = "plugin_upload", PluginUpload

    def finish(
        self, upload_id: str, status: UploadStatus, plugin_id: str | None, errors: tuple[dict[str, Any], ...] = ()
    ) -> None:
        """Note what became of an upload."""
        self._finish(upload_id, status, {"plugin_id": plugin_id, "validation_errors": list(errors)})
