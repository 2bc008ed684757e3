"""Homes that a test may start, kill and start again; none outlives its test."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from mixpeek_dagster.embedded import stores_status
from tests.waiting import wait_until

Eventually = Callable[[Callable[[], object]], None]


@pytest.fixture
def eventually() -> Eventually:
    """Poll for a condition, with a deadline."""
    return wait_until


@pytest.fixture
def own_home(tmp_path: Path) -> Iterator[Path]:
    """A home of the test's own; its stores are killed at the end, whoever still holds a lease."""
    path = tmp_path / "home"
    yield path
    processes = [status.pid for status in stores_status(path) if status.pid is not None]
    for pid in supervisors(path):
        os.kill(pid, signal.SIGKILL)
        processes.append(pid)
    wait_until(lambda: not any(map(is_alive, processes)))
    remove_sockets(path / "run" / "ports.json")


def remove_sockets(ports: Path) -> None:
    """SeaweedFS leaves sockets outside the home when it is killed."""
    if ports.exists():
        for port in json.loads(ports.read_text())["s3"].values():
            for path in Path("/tmp").glob(f"seaweedfs-*-grpc-{port + 10000}.sock"):
                path.unlink()


def supervisors(home: Path) -> list[int]:
    """Ids of the live processes that supervise a home."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdecimal() and is_alive(int(entry.name)):
                words = (entry / "cmdline").read_bytes().decode().split("\0")
                if "mixpeek_dagster.embedded.supervisor" in words and str(home) in words:
                    found.append(int(entry.name))
    return found


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not yet waited for does not."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.fixture
def alive() -> Callable[[int], bool]:
    return is_alive


@pytest.fixture
def supervisors_of() -> Callable[[Path], list[int]]:
    return supervisors
