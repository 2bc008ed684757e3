"""All that one process serves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from serving.endpoints.endpoint import Endpoint, EndpointState
from serving.endpoints.limits import Limits
from serving.heap import settle


@dataclass(frozen=True)
class Endpoints:
    """The endpoints by route, and why a plugin's folder or a model has none."""

    routes: Mapping[str, Endpoint]
    unserved: Mapping[str, str]
    limits: Limits

    async def load(self) -> None:
        """Load one plugin after the other: two that import the same library at once can see half of it."""
        for endpoint in self.routes.values():
            await endpoint.load()
        settle()

    @property
    def settled(self) -> bool:
        """Whether none is still loading."""
        return all(endpoint.state is not EndpointState.LOADING for endpoint in self.routes.values())

    @property
    def ready(self) -> bool:
        """Whether at least one can answer: one that is slow to load or broken does not keep the others out of use."""
        return any(endpoint.state is EndpointState.READY for endpoint in self.routes.values())

    def report(self) -> dict[str, Any]:
        """The state of each, JSON-ready."""
        return {
            "ready": self.ready,
            "settled": self.settled,
            "in_flight": sum(endpoint.in_flight for endpoint in self.routes.values()),
            "queued": sum(endpoint.queued for endpoint in self.routes.values()),
            "endpoints": {route: endpoint.report() for route, endpoint in self.routes.items()},
            "unserved": dict(self.unserved),
        }
