"""The life of a plugin's realtime endpoint: which state may follow which, each step kept in the catalog."""

from __future__ import annotations

from datetime import UTC, datetime

from mixpeek_dagster.catalog.plugins import Deployment, DeploymentStatus, PluginRecord
from mixpeek_dagster.catalog.tenant import NamespaceView
from mixpeek_dagster.errors import InUse, InvalidRequest
from mixpeek_dagster.registry.plugins import find_plugin

_S = DeploymentStatus
_FOLLOWS: dict[DeploymentStatus, frozenset[DeploymentStatus]] = {
    _S.NOT_DEPLOYED: frozenset({_S.QUEUED, _S.NOT_DEPLOYED}),
    _S.QUEUED: frozenset({_S.PENDING, _S.FAILED, _S.NOT_DEPLOYED}),
    _S.PENDING: frozenset({_S.IN_PROGRESS, _S.QUEUED, _S.FAILED, _S.NOT_DEPLOYED}),
    _S.IN_PROGRESS: frozenset({_S.DEPLOYED, _S.QUEUED, _S.FAILED, _S.NOT_DEPLOYED}),
    _S.DEPLOYED: frozenset({_S.QUEUED, _S.FAILED, _S.NOT_DEPLOYED}),
    _S.FAILED: frozenset({_S.QUEUED, _S.NOT_DEPLOYED}),
}
_UNDER_WAY = frozenset({_S.QUEUED, _S.PENDING, _S.IN_PROGRESS})
BATCH_ONLY = "it has no realtime.py: batch only"


def deploy(view: NamespaceView, plugin_id: str, *, batch_only: bool = False) -> PluginRecord:
    """Ask for a plugin's realtime endpoint. One that is under way already is left alone.

    Args:
        batch_only: the plugin shall serve collections, and no endpoint.

    Raises:
        NotFound: the namespace has no such plugin.
        InvalidRequest: its validation failed, or it is disabled.
    """
    plugin = find_plugin(view, plugin_id)
    if not plugin.usable:
        why = "its validation failed" if plugin.validation_status == "failed" else "it is disabled"
        raise InvalidRequest(f"plugin {plugin_id!r}", why=f"{why}, so it cannot be deployed")
    if batch_only or not plugin.has_realtime:
        reason = "batch only, as asked" if plugin.has_realtime else BATCH_ONLY
        return advance(view, plugin, _S.NOT_DEPLOYED, reason)
    if plugin.deployment.status in _UNDER_WAY:
        return plugin
    return advance(view, plugin, _S.QUEUED, "waiting for a deployer")


def undeploy(view: NamespaceView, plugin_id: str) -> PluginRecord:
    """Take a plugin's realtime endpoint away; the plugin stays.

    Raises:
        NotFound: the namespace has no such plugin.
    """
    return advance(view, find_plugin(view, plugin_id), _S.NOT_DEPLOYED, "it was undeployed")


def advance(
    view: NamespaceView, plugin: PluginRecord, status: DeploymentStatus, reason: str, *, route: str | None = None
) -> PluginRecord:
    """Go from the state that `plugin` shows to another, if nobody else has gone on meanwhile.

    Raises:
        InvalidRequest: the state cannot follow this one.
        InUse: somebody else has changed the state; read it again.
    """
    before = plugin.deployment
    if status not in _FOLLOWS[before.status]:
        allowed = ", ".join(sorted(_FOLLOWS[before.status]))
        why = f"{status} cannot follow {before.status}"
        raise InvalidRequest(f"deployment of {plugin.plugin_id!r}", why=why, fix=f"Possible: {allowed}")
    now = datetime.now(UTC)
    deployment = Deployment(
        status=status,
        reason=reason,
        route=route if status is _S.DEPLOYED else None,
        queued_at=now if status is _S.QUEUED else before.queued_at,
        deployed_at=now if status is _S.DEPLOYED else before.deployed_at,
        updated_at=now,
    )
    if not view.plugins.set_deployment(plugin.record_id, before.status, deployment):
        raise InUse(f"deployment of {plugin.plugin_id!r}", why=f"it is no longer {before.status}", fix="Try again")
    return plugin.model_copy(update={"deployment": deployment})
