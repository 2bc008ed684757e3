"""Clients on an endpoint as a process of their own, and what became of their requests."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.processes import Result
from bench.servers import VARIANTS, Endpoint


@dataclass(frozen=True)
class Texts:
    """What the clients send, and what must come of it.

    Args:
        texts: cut to their length.
        vectors: file with the vector of each, as plain code gives it.
    """

    texts: list[str]
    vectors: Path


@dataclass(frozen=True)
class Requests:
    """All requests of a load, by start: times in seconds of the machine's monotonic clock."""

    start: np.ndarray[Any, Any]
    end: np.ndarray[Any, Any]
    status: np.ndarray[Any, Any]
    good: np.ndarray[Any, Any]
    body: np.ndarray[Any, Any]


class Load:
    """Clients that run until they are stopped."""

    def __init__(self, process: subprocess.Popen[str], records: Path) -> None:
        self._process = process
        self._records = records
        self.result: Result = {}

    def stop(self) -> Requests:
        """End it; what became of every request."""
        self._finish()
        with np.load(self._records) as found:
            return Requests(**{name: found[name] for name in ("start", "end", "status", "good", "body")})

    def _finish(self) -> None:
        if not self.result:
            out, _ = self._process.communicate()
            if self._process.returncode:
                raise SystemExit("the clients failed; their output is above")
            self.result = json.loads(out.splitlines()[-1])


def run_load(
    endpoint: Endpoint, texts: Texts, folder: Path, *, clients: int, warm_seconds: float, seconds: float
) -> Result:
    """Run clients for so many seconds; requests a second, p50, p99, failures."""
    with load(endpoint, texts, folder, clients=clients, warm_seconds=warm_seconds, seconds=seconds) as running:
        running.stop()
        return running.result


@contextmanager
def load(
    endpoint: Endpoint,
    texts: Texts,
    folder: Path,
    *,
    clients: int,
    warm_seconds: float,
    seconds: float | None = None,
) -> Iterator[Load]:
    """Clients that are warm already and go on until they are stopped, or for so many seconds."""
    folder.mkdir(parents=True, exist_ok=True)
    bodies = folder / "bodies.jsonl"
    bodies.write_text("\n".join(json.dumps(endpoint.body(text)) for text in texts.texts), encoding="utf-8")
    plan = {
        "host": "127.0.0.1",
        "port": endpoint.port,
        "path": endpoint.path,
        "headers": dict(endpoint.headers),
        "bodies": str(bodies),
        "vector": list(endpoint.vector),
        "clients": clients,
        "warm_seconds": warm_seconds,
        "seconds": seconds,
        "records": str(folder / "records.npz"),
        "reference": str(texts.vectors),
    }
    (folder / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, str(VARIANTS / "load.py"), str(folder / "plan.json")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        if process.stdout.readline().strip() != "warm":
            raise SystemExit("the clients did not start; their output is above")
        yield Load(process, folder / "records.npz")
    finally:
        process.kill()
        process.communicate()
