"""Ports on the loopback address: the usual ones, last time's, or any that is free."""

from __future__ import annotations

import ipaddress
import random
import socket
from collections.abc import Iterable, Mapping

HOST = "127.0.0.1"
# Below the range that systems hand out for outgoing connections, also with the companion port added.
_RANGE = range(10000, 20000)
_ATTEMPTS = 1000


def choose(wanted: Mapping[str, Iterable[int]], companion: int = 0) -> dict[str, int]:
    """A free port for each name.

    Args:
        wanted: ports to try first, per name, the best first.
        companion: when not 0, the port that lies so much higher must be free as well.
    """
    chosen: dict[str, int] = {}
    for name, preferred in wanted.items():
        chosen[name] = _first_free(preferred, companion, set(chosen.values()))
    return chosen


def is_loopback_address(host: str) -> bool:
    """Whether a host is an address of this machine alone; a name is no address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket() as probe:
        # Servers set this too, so a port whose last owner was killed counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError:
            return False
        return True


def answers(port: int, timeout: float = 0.5) -> bool:
    """Whether something accepts connections on the port."""
    try:
        with socket.create_connection((HOST, port), timeout=timeout):
            return True
    except OSError:
        return False


def _first_free(preferred: Iterable[int], companion: int, taken: set[int]) -> int:
    taken_too = {port + companion for port in taken}
    for port in [*preferred, *random.sample(_RANGE, _ATTEMPTS)]:
        pair = {port, port + companion}
        if pair.isdisjoint(taken | taken_too) and all(is_free(number) for number in pair):
            return port
    raise OSError(f"no free port on {HOST} among {_ATTEMPTS}")
