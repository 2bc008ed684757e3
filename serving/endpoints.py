"""All the plugins that one process serves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixpeek_dagster.errors import MixpeekError
from mixpeek_dagster.plugins.loading import load_plugin
from serving.endpoint import Endpoint, State


@dataclass(frozen=True)
class Endpoints:
    """The endpoints by route, and why a folder has none."""

    routes: Mapping[str, Endpoint]
    unserved: Mapping[str, str]

    @classmethod
    def of(cls, folders: Iterable[Path]) -> Endpoints:
        """Read the folders' manifests; realtime.py is not touched yet."""
        routes: dict[str, Endpoint] = {}
        unserved: dict[str, str] = {}
        for folder in folders:
            try:
                plugin = load_plugin(folder)
            except MixpeekError as error:
                unserved[str(folder)] = str(error)
                continue
            endpoint = Endpoint(plugin)
            if not plugin.spec.has_realtime:
                unserved[str(folder)] = "it has no realtime.py"
            elif endpoint.route in routes:
                other = routes[endpoint.route].plugin.spec.folder
                unserved[str(folder)] = f"{endpoint.route} is served from {other} already"
            else:
                routes[endpoint.route] = endpoint
        return cls(routes, unserved)

    async def load(self) -> None:
        """Load one plugin after the other: two that import the same library at once can see half of it."""
        for endpoint in self.routes.values():
            await endpoint.load()

    @property
    def settled(self) -> bool:
        """Whether none is still loading."""
        return all(endpoint.state is not State.LOADING for endpoint in self.routes.values())

    @property
    def ready(self) -> bool:
        """Whether at least one can answer: one that is slow to load or broken does not keep the others out of use."""
        return any(endpoint.state is State.READY for endpoint in self.routes.values())

    def report(self) -> dict[str, Any]:
        """The state of each, JSON-ready."""
        return {
            "ready": self.ready,
            "settled": self.settled,
            "endpoints": {route: endpoint.report() for route, endpoint in self.routes.items()},
            "unserved": dict(self.unserved),
        }
