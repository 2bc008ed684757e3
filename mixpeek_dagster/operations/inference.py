"""What can be asked in realtime from within a namespace, and by which names: built-in services and its plugins."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mixpeek_dagster import ids
from mixpeek_dagster.catalog.plugins import PluginRecord
from mixpeek_dagster.catalog.tenant import NamespaceView
from mixpeek_dagster.errors import InvalidRequest, NotFound
from mixpeek_dagster.operations.plugins import find_plugin
from mixpeek_dagster.plugins.manifest import normal_version

if TYPE_CHECKING:
    from mixpeek_dagster.inference.service import BatchService

PLUGIN_PROVIDER = "plugin"
_URI = re.compile(r"mixpeek://(?P<name>[^/@\s]+)@(?P<version>[^/@\s]+)(?:/(?P<vector>[^/\s]+))?")


@dataclass(frozen=True)
class InferenceTarget:
    """Something that answers at the gateway.

    Args:
        name: its `inference_name`.
        source: whose it is.
        provider: organization of a built-in service's model; `plugin` for plugins.
        model: name of that model; the plugin's id.
        route: path at the gateway.
        kind: `embedding`, `reranker` or `transcription`; `plugin` for plugins.
        dimension: numbers of its vector, or of a plugin's first; None if it makes none.
        vectors: names of a plugin's vectors.
        vector: the one that was asked for, which goes into the inputs as `vector_index`.
    """

    name: str
    source: Literal["built-in", "plugin"]
    provider: str
    model: str
    route: str
    kind: str
    dimension: int | None
    vectors: tuple[str, ...] = ()
    vector: str | None = None


def targets(view: NamespaceView) -> list[InferenceTarget]:
    """The built-in services, and the plugins of a namespace that are served, by name."""
    plugins = [_of_plugin(plugin) for plugin in view.plugins.find(view.id) if plugin.deployment.route]
    return [*built_in_targets(), *plugins]


def built_in_targets() -> list[InferenceTarget]:
    """One per model that a built-in service serves, whether or not it is deployed."""
    return [_of_service(model) for model in _services()]


def target_of_name(view: NamespaceView, name: str) -> InferenceTarget:
    """By `inference_name`: of a built-in service `name` or `org__name` in any case, of a plugin its id.

    Raises:
        NotFound: there is neither; names those there are.
        InvalidRequest: the plugin is not served; says its state and what deploys it.
    """
    wanted = "__".join(ids.service_name(part) for part in re.split("__|/", name, maxsplit=1))
    for model in _services():
        if wanted in (ids.service_name(model), "__".join(ids.service_name(part) for part in model.split("/"))):
            return _of_service(model)
    plugin = view.plugins.find_one(view.id, name)
    if plugin is None:
        raise _unknown(f"inference_name {name!r}", view)
    return _require_served(plugin)


def target_of_model(view: NamespaceView, provider: str, model: str) -> InferenceTarget:
    """By provider and model, as replies name them.

    Raises:
        NotFound: there is no such service or plugin; names those there are.
        InvalidRequest: the plugin is not served.
    """
    if provider == PLUGIN_PROVIDER:
        return _require_served(find_plugin(view, model))
    found = [known for known in _services() if known.lower() == f"{provider}/{model}".lower()]
    if not found:
        raise _unknown(f"model {model!r} of provider {provider!r}", view)
    return _of_service(found[0])


def target_of_uri(view: NamespaceView, uri: str) -> InferenceTarget:
    """By the URI of a feature: the plugin that makes it.

    A URI whose last part is a built-in service's name reaches that service, if the namespace has no such plugin.

    Raises:
        InvalidRequest: it is no feature URI, leaves open which vector is meant, or its plugin is not served.
        NotFound: the namespace has no such plugin, or the plugin no such vector.
    """
    parts = _URI.fullmatch(uri)
    version = normal_version(parts["version"]) if parts else None
    if parts is None or version is None:
        fix = "Write it as mixpeek://my_extractor@1.0.0/my_embedding"
        raise InvalidRequest(f"feature_uri {uri!r}", why="it is no feature URI", fix=fix)
    plugin_id = ids.plugin_id(parts["name"], version)
    plugin = view.plugins.find_one(view.id, plugin_id)
    if plugin is not None:
        return _require_served(plugin, _vector(plugin, parts["vector"]))
    service = (parts["vector"] or "").removesuffix(f"_{ids.BUILT_IN_VERSION}")
    for model in _services():
        if service == ids.service_name(model):
            return _of_service(model)
    return _require_served(find_plugin(view, plugin_id))


def _vector(plugin: PluginRecord, wanted: str | None) -> str | None:
    vectors = [index.name for index in plugin.vector_indexes]
    if wanted is None and len(vectors) > 1:
        why = f"it has {len(vectors)} vectors and the URI names none"
        raise InvalidRequest(f"plugin {plugin.plugin_id!r}", why=why, fix=f"Name one of {', '.join(vectors)}")
    if wanted is not None and wanted not in vectors:
        fix = f"There are: {', '.join(vectors) or 'none'}"
        raise NotFound(f"vector {wanted!r}", why=f"plugin {plugin.plugin_id!r} has none of that name", fix=fix)
    return wanted or (vectors[0] if vectors else None)


def _require_served(plugin: PluginRecord, vector: str | None = None) -> InferenceTarget:
    deployment = plugin.deployment
    # While another build takes its place, or when that has failed, the one before still answers.
    if deployment.route is not None:
        return _of_plugin(plugin, vector)
    reason = f": {deployment.reason}" if deployment.reason else ""
    fix = f"Run: mixpeek plugin deploy {plugin.plugin_id} --watch"
    raise InvalidRequest(f"plugin {plugin.plugin_id!r}", why=f"it is {deployment.status}{reason}", fix=fix)


def _services() -> Mapping[str, type[BatchService]]:
    # Imported when it is asked for: with it come pandas and what decodes images.
    from mixpeek_dagster.inference.registry import SERVICES

    return SERVICES


def _of_service(model: str) -> InferenceTarget:
    served, service = _services()[model].model, ids.service_name(model)
    provider, _, name = model.partition("/")
    return InferenceTarget(
        name=service,
        source="built-in",
        provider=provider,
        model=name,
        route=ids.route(service, ids.BUILT_IN_VERSION),
        kind=served.kind,
        dimension=served.dimension,
    )


def _of_plugin(plugin: PluginRecord, vector: str | None = None) -> InferenceTarget:
    indexes = plugin.vector_indexes
    wanted = [index for index in indexes if index.name == vector] or indexes[:1]
    return InferenceTarget(
        name=plugin.plugin_id,
        source="plugin",
        provider=PLUGIN_PROVIDER,
        model=plugin.plugin_id,
        route=ids.route(plugin.name, plugin.version),
        kind="plugin",
        dimension=wanted[0].dimensions if wanted else None,
        vectors=tuple(index.name for index in indexes),
        vector=vector,
    )


def _unknown(what: str, view: NamespaceView) -> NotFound:
    names: Sequence[str] = [target.name for target in targets(view)]
    return NotFound(what, why="nothing of that name is served here", fix=f"There are: {', '.join(names)}")
