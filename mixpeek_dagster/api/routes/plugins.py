"""Plugins of a namespace: listing, deploying, enabling, deleting."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query

from mixpeek_dagster import ids
from mixpeek_dagster.api.access import PathReader, PathRemover, PathWriter, State, Writer
from mixpeek_dagster.api.pages import WantedPage
from mixpeek_dagster.api.schemas.plugins import (
    AvailablePlugin,
    AvailablePlugins,
    EnablePlugin,
    Plugin,
    PluginDeleted,
    PluginDeployment,
    PluginEnabled,
    PluginList,
    PluginReply,
    PluginStatus,
    Reconfigure,
    Reconfigured,
    enabled_reply,
)
from mixpeek_dagster.catalog.plugins import DeploymentStatus
from mixpeek_dagster.errors import InvalidRequest
from mixpeek_dagster.operations import deployments
from mixpeek_dagster.operations.plugins import delete_plugin, disable_plugin, enable_plugin, find_plugin
from mixpeek_dagster.operations.vectors import reconfigure

router = APIRouter(prefix="/namespaces/{namespace}/plugins", tags=["plugins"])

_DOWNLOAD_SECONDS = 3600
_PluginId = Annotated[str, Path(description="Id of the plugin.", examples=["my_extractor_1_0_0"])]
_Presigned = Annotated[bool, Query(description="Also give a URL to download the zip from.")]
_Type = Annotated[
    Literal["realtime", "batch_only"] | None, Query(description="Realtime if the plugin has a realtime.py.")
]
_Probe = Annotated[bool, Query(description="Whether it must embed a sample as the batch path does, or has FAILED.")]


@router.get("", summary="List plugins")
def list_plugins(view: PathReader, state: State, wanted: WantedPage) -> PluginList:
    """The namespace's plugins, by id."""
    found = view.plugins.find(view.id, skip=wanted.offset, limit=wanted.limit)
    plugins = [Plugin.of(plugin, state.settings.s3_bucket) for plugin in found]
    return PluginList(plugins=plugins, total=view.plugins.count(), namespace_id=view.id)


@router.get("/available", summary="List plugins that could be enabled here")
def list_available_plugins(view: PathReader, state: State) -> AvailablePlugins:
    """Plugins of all of the organization's namespaces, each once."""
    organization = view.namespace.organization_id
    here = {plugin.plugin_id: plugin for plugin in view.plugins.find(view.id)}
    everywhere = view.catalog.tenant(organization).plugins.of_organization(organization)
    found = {plugin.plugin_id: plugin for plugin in everywhere} | here
    plugins = [
        AvailablePlugin(
            enabled_in_namespace=plugin_id in here and here[plugin_id].usable,
            **Plugin.of(plugin, state.settings.s3_bucket).model_dump(),
        )
        for plugin_id, plugin in sorted(found.items())
    ]
    return AvailablePlugins(
        plugins=plugins, total=len(plugins), namespace_id=view.id, organization_id=view.namespace.organization_id
    )


@router.post("/reconfigure", summary="Make the vectors of all plugins")
def reconfigure_namespace(view: PathWriter, state: State, consent: Reconfigure) -> Reconfigured:
    """Adds the named vectors of the namespace's plugins that Qdrant lacks, in place; no document is touched."""
    result = reconfigure(state.stores, view)
    names = ", ".join(result.added)
    message = f"added {names}" if result.added else "every vector of every plugin is there"
    return Reconfigured(
        status="reconfigured" if result.added else "no_changes_needed",
        previous_points_count=result.points,
        vectors_added=list(result.added),
        vectors_total=list(result.total),
        collections_to_reprocess=list(result.collections),
        message=message,
    )


@router.get("/{plugin_id}", summary="One plugin")
def get_plugin(
    view: PathReader, state: State, plugin_id: _PluginId, return_presigned_urls: _Presigned = False
) -> PluginReply:
    """All that is known of it, with everything validation found."""
    plugin = find_plugin(view, plugin_id)
    url = state.stores.objects.download_url(plugin.archive, _DOWNLOAD_SECONDS) if return_presigned_urls else None
    return PluginReply(plugin=Plugin.of(plugin, state.settings.s3_bucket), presigned_download_url=url)


@router.delete("/{plugin_id}", summary="Delete a plugin")
def remove_plugin(view: PathRemover, state: State, plugin_id: _PluginId) -> PluginDeleted:
    """Refused while collections use it."""
    plugin = delete_plugin(state.stores, view, plugin_id)
    state.graph.request()
    deployed = plugin.deployment.serving is not None
    return PluginDeleted(plugin_id=plugin_id, message=f"plugin {plugin_id} was deleted", deployment_removed=deployed)


@router.post("/{plugin_id}/deploy", summary="Deploy the realtime endpoint")
def deploy_plugin(
    view: PathWriter, plugin_id: _PluginId, deployment_type: _Type = None, probe: _Probe = True
) -> PluginDeployment:
    """Queues the deployment and returns; poll the status. A plugin without realtime.py stays batch only.

    A deployment that is there goes on answering until the new one has proved itself.
    """
    plugin = find_plugin(view, plugin_id)
    if deployment_type == "realtime" and not plugin.has_realtime:
        fix = "Add realtime.py and push a new version, or deploy with deployment_type=batch_only"
        raise InvalidRequest(f"plugin {plugin_id!r}", why=deployments.BATCH_ONLY, fix=fix)
    plugin = deployments.deploy(view, plugin_id, batch_only=deployment_type == "batch_only", probe=probe)
    status, message = plugin.deployment.status, plugin.deployment.reason
    if status is DeploymentStatus.NOT_DEPLOYED:
        return PluginDeployment(status="batch_only", deployment_type="batch_only", message=message)
    return PluginDeployment(
        status="queued",
        deployment_type="realtime",
        route_prefix=ids.route(plugin.name, plugin.version),
        message=message,
    )


@router.get("/{plugin_id}/status", summary="How far the deployment has come")
def get_plugin_status(view: PathReader, plugin_id: _PluginId) -> PluginStatus:
    """QUEUED, PENDING, IN_PROGRESS, DEPLOYED, FAILED or NOT_DEPLOYED, and why."""
    return PluginStatus.of(find_plugin(view, plugin_id))


@router.post("/{plugin_id}/undeploy", summary="Take the realtime endpoint away")
def undeploy_plugin(view: PathWriter, plugin_id: _PluginId) -> PluginStatus:
    """The plugin stays, and so do its collections."""
    return PluginStatus.of(deployments.undeploy(view, plugin_id))


@router.post("/org/{plugin_id}/enable", summary="Enable a plugin of the organization here")
def enable_plugin_here(
    tenant: Writer, view: PathWriter, plugin_id: _PluginId, wanted: EnablePlugin | None = None
) -> PluginEnabled:
    """The same as enabling it by the organization's path."""
    params = wanted.params if wanted else None
    return enabled_reply(enable_plugin(tenant, view, plugin_id, params), params)


@router.post("/org/{plugin_id}/disable", summary="Disable a plugin here")
def disable_plugin_here(view: PathWriter, plugin_id: _PluginId) -> PluginEnabled:
    """Refused while collections use it."""
    return enabled_reply(disable_plugin(view, plugin_id), None)
