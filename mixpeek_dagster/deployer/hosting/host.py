"""What the deployer needs of whatever runs services."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from mixpeek_dagster.deployer.hosting.spec import ServiceSpec


class ServiceHealth(StrEnum):
    STARTING = "starting"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True)
class Report:
    """What a service says of itself.

    Args:
        problem: why it has failed.
        in_flight: requests that have no reply yet.
        cold_start_seconds: how long it took to load; None = it does not say.
    """

    health: ServiceHealth
    problem: str = ""
    in_flight: int = 0
    cold_start_seconds: float | None = None


class Service(Protocol):
    """A service that was started, as its host sees it."""

    @property
    def spec(self) -> ServiceSpec: ...

    @property
    def address(self) -> str:
        """Where it answers, `host:port`."""
        ...

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        ...

    def report(self) -> Report | None:
        """What it says of itself; None = nothing yet, or no more."""
        ...

    def memory_bytes(self) -> int:
        """Memory that is its own; weights that processes share are left out. 0 = it is not known."""
        ...

    def last_words(self) -> str:
        """The end of what it printed, on one line."""
        ...

    def stop(self) -> None:
        """Let it finish what it works on, but not for ever, and end it. Again is harmless."""
        ...


class Host(Protocol):
    """Runs services."""

    def start(self, spec: ServiceSpec, like: Service | None = None) -> Service:
        """Start a service and return at once.

        Args:
            like: one that has ended; the new one takes its address, so that requests on their way reach it.

        Raises:
            ServingError: it cannot be started.
        """
        ...

    def running(self) -> Sequence[Service]:
        """Services that an earlier program left running."""
        ...
