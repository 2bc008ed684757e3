"""The life of a plugin's realtime endpoint: which state may follow which, each step kept in the catalog."""

from __future__ import annotations

from datetime import UTC, datetime

from mixpeek_dagster import ids
from mixpeek_dagster.catalog.catalog import Catalog
from mixpeek_dagster.catalog.plugins import Deployment, DeploymentStatus, PluginRecord
from mixpeek_dagster.catalog.records import PluginReference
from mixpeek_dagster.catalog.tenant import NamespaceView
from mixpeek_dagster.errors import InUse, InvalidRequest
from mixpeek_dagster.operations.plugins import find_plugin

_S = DeploymentStatus
_FOLLOWS: dict[DeploymentStatus, frozenset[DeploymentStatus]] = {
    _S.NOT_DEPLOYED: frozenset({_S.QUEUED, _S.NOT_DEPLOYED}),
    _S.QUEUED: frozenset({_S.PENDING, _S.FAILED, _S.NOT_DEPLOYED}),
    _S.PENDING: frozenset({_S.IN_PROGRESS, _S.QUEUED, _S.FAILED, _S.NOT_DEPLOYED}),
    _S.IN_PROGRESS: frozenset({_S.DEPLOYED, _S.QUEUED, _S.FAILED, _S.NOT_DEPLOYED}),
    _S.DEPLOYED: frozenset({_S.QUEUED, _S.FAILED, _S.NOT_DEPLOYED}),
    _S.FAILED: frozenset({_S.QUEUED, _S.NOT_DEPLOYED}),
}
UNDER_WAY = frozenset({_S.QUEUED, _S.PENDING, _S.IN_PROGRESS})
BATCH_ONLY = "it has no realtime.py: batch only"


def deploy(view: NamespaceView, plugin_id: str, *, batch_only: bool = False, probe: bool = True) -> PluginRecord:
    """Ask for a plugin's realtime endpoint. One that is under way already is left alone.

    Args:
        batch_only: the plugin shall serve collections, and no endpoint.
        probe: whether the endpoint must embed as the batch path does.

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
        return advance(view.catalog, plugin, _S.NOT_DEPLOYED, reason)
    if plugin.deployment.status in UNDER_WAY:
        return plugin
    return advance(view.catalog, plugin, _S.QUEUED, "waiting for a deployer", probe=probe)


def undeploy(view: NamespaceView, plugin_id: str) -> PluginRecord:
    """Take a plugin's realtime endpoint away; the plugin stays.

    Raises:
        NotFound: the namespace has no such plugin.
    """
    return advance(view.catalog, find_plugin(view, plugin_id), _S.NOT_DEPLOYED, "it was undeployed")


def advance(
    catalog: Catalog,
    plugin: PluginRecord,
    status: DeploymentStatus,
    reason: str,
    *,
    serving: PluginReference | None = None,
    probe: bool | None = None,
    cold_start_seconds: float | None = None,
    ended: bool = False,
) -> PluginRecord:
    """Go from the state that `plugin` shows to another, if nobody else has gone on meanwhile.

    Args:
        serving: the code that answers from now on; none = the one that did.
        probe: none = as it was.
        ended: nothing answers any more.

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
    kept = None if ended or status is _S.NOT_DEPLOYED else serving or before.serving
    deployment = Deployment(
        status=status,
        reason=reason,
        route=ids.route(plugin.name, plugin.version) if kept else None,
        queued_at=now if status is _S.QUEUED else before.queued_at,
        deployed_at=now if status is _S.DEPLOYED else before.deployed_at,
        updated_at=now,
        serving=kept,
        probe=before.probe if probe is None else probe,
        cold_start_seconds=cold_start_seconds if cold_start_seconds is not None else before.cold_start_seconds,
    )
    if not catalog.plugins.set_deployment(plugin.record_id, before, deployment):
        raise InUse(f"deployment of {plugin.plugin_id!r}", why=f"it is no longer {before.status}", fix="Try again")
    return plugin.model_copy(update={"deployment": deployment})
