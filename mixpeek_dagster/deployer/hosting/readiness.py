"""What a service says of its readiness, and waiting for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx

from mixpeek_dagster.deployer.hosting.host import Report, Service, ServiceHealth
from mixpeek_dagster.errors import ServingError

_PAUSE = 0.1


def readiness(address: str, instance: str, seconds: float) -> dict[str, Any] | None:
    """The whole of what /readyz says; None when nothing answers yet, or another program does.

    Args:
        address: `host:port`.
        instance: the name that the service was given, and repeats.
        seconds: to wait for the reply.
    """
    try:
        # No certificates, no proxies: they take time to read, and this is the same machine.
        said = httpx.get(f"http://{address}/readyz", timeout=seconds, verify=False, trust_env=False).json()
    except (httpx.HTTPError, ValueError):
        return None
    return said if isinstance(said, dict) and said.get("instance") == instance else None


def wait_until_ready(service: Service, seconds: float, before_each_look: Callable[[], None] = lambda: None) -> Report:
    """Wait until a plugin's service is ready.

    Args:
        before_each_look: what it raises ends the wait.

    Raises:
        ServingError: it stopped, has failed, or was not ready in time.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        before_each_look()
        if not service.alive:
            raise ServingError("realtime.py", why=f"its process stopped: {service.last_words() or 'without a word'}")
        report = service.report()
        if report is not None and report.health is ServiceHealth.FAILED:
            raise ServingError("realtime.py", why=report.problem)
        if report is not None and report.health is ServiceHealth.READY:
            return report
        time.sleep(_PAUSE)
    raise ServingError("realtime.py", why=f"it was not ready within {seconds:g} s")
