"""Qdrant servers that a test may start, kill and start again; none outlives its test."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from qdrant_client import QdrantClient
from qdrant_client import models as m

from tests.waiting import DEADLINE, free_port, wait_until


@dataclass
class Server:
    """One Qdrant server process over one data folder."""

    path: Path
    port: int
    process: subprocess.Popen[bytes] = field(init=False)

    def start(self) -> Server:
        """Start it and wait until it is ready."""
        module = "mixpeek_dagster.qdrant_server"
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


@pytest.fixture
def eventually() -> Callable[[Callable[[], object]], None]:
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


@pytest.fixture(scope="session")
def filled(server: Server) -> Iterator[Any]:
    """The same collection on our server and in local mode, for all tests that only read."""
    with _filled(server, "filled") as both:
        yield both


@pytest.fixture
def both(server: Server, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The same, for one test that writes."""
    with _filled(server, request.node.name[:100].replace("/", "_").replace("[", "-").replace("]", "")) as both:
        yield both


@contextmanager
def _filled(server: Server, name: str) -> Iterator[tuple[QdrantClient, QdrantClient, str]]:
    ours, local = server.client(), QdrantClient(":memory:")
    for client in (ours, local):
        client.create_collection(name, vectors_config=_NAMED)
        client.upsert(name, _points())
    yield ours, local, name
    ours.delete_collection(name)
    ours.close()
    local.close()


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
