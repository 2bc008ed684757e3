"""What one process serves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mixpeek_dagster import ids
from serving.variables import MODEL, PLUGINS

PLUGIN_MODULE = "serving.plugin_service:PluginService"
MODEL_MODULE = "serving.model_service:ModelService"
EVERYONE = ""
"""Namespace of what every tenant may call."""


@dataclass(frozen=True)
class ServiceSpec:
    """One deployment at one build.

    Args:
        service_id: the deployment, whatever its build; unique in an installation.
        build: what is served: hash of a plugin's code, id of a model.
        namespace_id: whose it is.
        route: where it answers.
        module: the BentoML service, `module:attribute`.
        variables: environment variables that tell the module what to serve.
        on_demand: whether it is started by its first request.
    """

    service_id: str
    build: str
    namespace_id: str
    route: str
    module: str
    variables: Mapping[str, str] = field(default_factory=dict)
    on_demand: bool = False

    @classmethod
    def of_plugin(
        cls, namespace_id: str, name: str, version: str, build: str, folder: Path, *, on_demand: bool = False
    ) -> ServiceSpec:
        """A plugin's realtime.py in a namespace.

        Args:
            build: which code of this version it is.
            folder: where the code is.
        """
        return cls(
            service_id=plugin_service_id(namespace_id, ids.plugin_id(name, version)),
            build=build,
            namespace_id=namespace_id,
            route=ids.route(name, version),
            module=PLUGIN_MODULE,
            variables={PLUGINS: str(folder)},
            on_demand=on_demand,
        )

    @classmethod
    def of_model(cls, model_id: str) -> ServiceSpec:
        """A built-in model, for everyone."""
        name = ids.service_name(model_id)
        return cls(
            service_id=f"model:{name}",
            build=model_id,
            namespace_id=EVERYONE,
            route=ids.model_route(model_id),
            module=MODEL_MODULE,
            variables={MODEL: model_id},
            on_demand=True,
        )


def plugin_service_id(namespace_id: str, plugin_id: str) -> str:
    """`namespace_id:plugin_id`, since plugin ids are unique within a namespace only."""
    return f"{namespace_id}:{plugin_id}"
