"""Waiting for what a test has set going, within a deadline."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

DEADLINE = 30.0


def wait_until(condition: Callable[[], object]) -> None:
    """Poll until `condition` holds.

    Raises:
        AssertionError: it did not within the deadline.
    """
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, f"not within {DEADLINE} s: {condition}"
        time.sleep(0.02)


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
