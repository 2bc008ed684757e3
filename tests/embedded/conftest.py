"""Servers and homes that a test may start, kill and start again; none outlives its test."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from qdrant_client import QdrantClient
from qdrant_client import models as m

from mixpeek_dagster.embedded import stores_status

DEADLINE = 30.0

Eventually = Callable[[Callable[[], object]], None]


@dataclass
class Server:
    """One Qdrant server process over one data folder."""

    path: Path
    port: int
    process: subprocess.Popen[bytes] = field(init=False)

    def start(self) -> Server:
        """Start it and wait until it is ready."""
        module = "mixpeek_dagster.embedded.qdrant_server"
        command = [sys.executable, "-m", module, "--path", str(self.path), "--port", str(self.port)]
        self.process = subprocess.Popen(command)
        wait_until(self._ready)
        return self

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self) -> QdrantClient:
        return QdrantClient(url=self.url, timeout=30, check_compatibility=False)

    def kill(self) -> None:
        """Take its life without warning."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ask it to stop; its exit status."""
        self.process.terminate()
        return self.process.wait(DEADLINE)

    def _ready(self) -> bool:
        assert self.process.poll() is None, "the server ended while it started"
        with suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/readyz", timeout=1).status_code == 200
        return False


def wait_until(condition: Callable[[], object]) -> None:
    """Poll until `condition` holds.

    Raises:
        AssertionError: it did not within the deadline.
    """
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, f"not within {DEADLINE} s: {condition}"
        time.sleep(0.02)


@pytest.fixture
def eventually() -> Eventually:
    """Poll for a condition, with a deadline."""
    return wait_until


@pytest.fixture
def serve() -> Iterator[Callable[[Path], Server]]:
    """Start a Qdrant server on a data folder."""
    started: list[Server] = []

    def start(path: Path) -> Server:
        started.append(Server(path, free_port()).start())
        return started[-1]

    yield start
    for server in started:
        if server.process.poll() is None:
            server.kill()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One Qdrant server for all tests that only talk to it."""
    running = Server(tmp_path_factory.mktemp("qdrant") / "data", free_port()).start()
    yield running
    running.kill()


@pytest.fixture
def both(server: Server, request: pytest.FixtureRequest) -> Any:
    """The same collection on our server and in local mode."""
    ours, local = server.client(), QdrantClient(":memory:")
    name = request.node.name[:100].replace("/", "_").replace("[", "-").replace("]", "")
    _fill(ours, name)
    _fill(local, name)
    yield ours, local, name
    ours.delete_collection(name)
    ours.close()
    local.close()


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


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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


_A = "5c56c793-69f3-4fbf-87e6-c4bf54c28c26"
_NAMED = {
    "small": m.VectorParams(size=2, distance=m.Distance.DOT),
    "wide": m.VectorParams(size=4, distance=m.Distance.COSINE),
}


def _points() -> list[m.PointStruct]:
    return [
        m.PointStruct(
            id=1,
            vector={"small": [1.0, 0.0], "wide": [1.0, 0.0, 0.0, 0.0]},
            payload={"color": "red", "size": 1, "tags": ["a", "b"], "at": "2024-01-01T00:00:00Z", "ok": True},
        ),
        m.PointStruct(
            id=2,
            vector={"small": [0.0, 2.0], "wide": [0.5, 0.5, 0.0, 0.0]},
            payload={"color": "green", "size": 2, "tags": ["b"], "at": "2024-06-01T00:00:00Z", "nil": None},
        ),
        m.PointStruct(
            id=3,
            vector={"small": [1.0, 1.0]},
            payload={"color": "red", "size": 3, "parts": [{"n": 1, "w": 5}, {"n": 2, "w": 6}], "deep": {"x": "y"}},
        ),
        m.PointStruct(id=_A, vector={"wide": [0.0, 0.0, 1.0, 0.1]}, payload={"color": "blue", "size": 4, "tags": []}),
        m.PointStruct(id=5, vector={}, payload={"ok": False}),
    ]


def _fill(client: QdrantClient, name: str) -> None:
    client.create_collection(name, vectors_config=_NAMED)
    client.upsert(name, _points())
