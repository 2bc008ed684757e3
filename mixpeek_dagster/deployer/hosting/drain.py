"""Waiting until a service that gets no new requests has answered those it has."""

from __future__ import annotations

import time

from mixpeek_dagster.deployer.hosting.host import Service

_UNDER_WAY_SECONDS = 1.0
"""A request that was told of the service a moment ago reaches it within this time."""
_PAUSE = 0.1


def drain(service: Service, seconds: float) -> bool:
    """Wait for a service's last reply, but not for ever; returns whether nothing is left.

    Args:
        seconds: longest time for one request.
    """
    deadline = time.monotonic() + seconds + _UNDER_WAY_SECONDS
    time.sleep(_UNDER_WAY_SECONDS)
    while service.alive and time.monotonic() < deadline:
        report = service.report()
        if report is not None and report.in_flight == 0:
            return True
        time.sleep(_PAUSE)
    return not service.alive
