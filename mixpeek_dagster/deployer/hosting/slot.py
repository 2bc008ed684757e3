"""A deployment's place on a host: what the supervisor keeps of it, and what requests see of that."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from enum import StrEnum

from mixpeek_dagster.deployer.hosting.host import Report, Service
from mixpeek_dagster.deployer.hosting.spec import ServiceSpec
from mixpeek_dagster.processes.restarts import Restarts

_TRIES = 5
_STEADY_SECONDS = 60.0
_FIRST_WAIT = 1.0
_LONGEST_WAIT = 60.0


class ServiceState(StrEnum):
    """Whether a deployment can be called."""

    READY = "ready"
    STARTING = "starting"
    PARKED = "parked"
    FAILED = "failed"


@dataclass(frozen=True)
class ServiceTarget:
    """A deployment as requests see it.

    Args:
        address: `host:port`; None unless it is READY.
        problem: why it has failed.
    """

    spec: ServiceSpec
    place: ServiceState
    address: str | None = None
    problem: str = ""


@dataclass
class ServiceSlot:
    """A deployment's place on this host."""

    spec: ServiceSpec
    place: ServiceState = ServiceState.PARKED
    service: Service | None = None
    problem: str = ""
    restarts: Restarts = field(
        default_factory=lambda: Restarts(_TRIES, _STEADY_SECONDS, first_wait=_FIRST_WAIT, longest_wait=_LONGEST_WAIT)
    )
    retry_at: float = 0.0
    since: float = 0.0
    """When it came into this place."""
    heard: float = 0.0
    """When it last said anything of itself."""
    asked: float = 0.0
    """When it was last asked to."""
    used: float = field(default_factory=time.monotonic)

    def go(self, place: ServiceState, problem: str = "") -> None:
        """Come into a place now."""
        self.place, self.problem, self.since = place, problem, time.monotonic()


@dataclass(frozen=True)
class Observation:
    """What was seen of a service."""

    alive: bool = False
    asked: bool = False
    report: Report | None = None
    memory: int = 0
