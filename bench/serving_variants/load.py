"""Closed-loop clients on one HTTP endpoint: `python load.py PLAN.json`.

Each client has one connection, sends the next of the bodies, reads the whole reply and goes on. Prints `warm` when the
warm-up is over, then the result; writes every request's start, end and status beside it. Runs for the seconds of the
plan, or until standard input ends. Nothing but the clients' own work happens between requests: replies are looked at
when the run is over.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson

_SECONDS = 60.0
_PAUSE = 0.05
_LONGEST_PAUSE = 5.0


@dataclass(frozen=True)
class Plan:
    """What to do.

    Args:
        host, port, path, headers: the endpoint.
        bodies: file with one request body a line.
        vector: keys and indices that lead to the vector in a reply.
        clients: how many at a time.
        warm_seconds: before anything counts.
        seconds: that count; None = until standard input ends.
        records: file for every request's start, end (seconds of the machine's monotonic clock), status, whether its
            vector is good, and its body if not.
        reference: file with the vector of each body, as a float array.
    """

    host: str
    port: int
    path: str
    headers: dict[str, str]
    bodies: str
    vector: list[Any]
    clients: int
    warm_seconds: float
    seconds: float | None
    records: str
    reference: str


@dataclass(frozen=True)
class Request:
    """One request: when, which body, and what came of it; status 0 = no reply."""

    start: float
    end: float
    number: int
    status: int
    body: bytes


@dataclass
class Run:
    """All clients together."""

    plan: Plan
    bodies: list[bytes]
    requests: list[Request] = field(default_factory=list)
    over: bool = False
    taken: int = 0

    def next(self) -> int:
        """The number of the next body."""
        self.taken += 1
        return (self.taken - 1) % len(self.bodies)


class Connection:
    """A kept connection that is opened again when it is lost."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        given = "".join(f"{name}: {value}\r\n" for name, value in plan.headers.items())
        self._head = f"POST {plan.path} HTTP/1.1\r\nHost: {plan.host}:{plan.port}\r\n{given}".encode()

    async def post(self, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        """Status, body and headers of the reply; status 0 and the reason if there is none."""
        try:
            async with asyncio.timeout(_SECONDS):
                if self._streams is None:
                    self._streams = await asyncio.open_connection(self._plan.host, self._plan.port)
                return await self._exchange(*self._streams, body)
        except (OSError, EOFError, TimeoutError, ValueError) as error:
            self.close()
            return 0, f"{type(error).__name__}: {error}".encode(), {}

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes
    ) -> tuple[int, bytes, dict[str, str]]:
        length = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        writer.write(self._head + length + body)
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        content = await _content(reader, headers)
        if headers.get("connection", "").lower() == "close":
            self.close()
        return int(first.split()[1]), content, headers

    def close(self) -> None:
        """Forget the connection."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def _content(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if "chunked" not in headers.get("transfer-encoding", ""):
        return await reader.readexactly(int(headers["content-length"]))
    parts = []
    while size := int(await reader.readline(), 16):
        parts.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readexactly(2)
    return b"".join(parts)


async def client(run: Run) -> None:
    """One client, until the run is over. After a failure it waits as long as it was told to, or a moment."""
    connection = Connection(run.plan)
    while not run.over:
        number = run.next()
        start = time.monotonic()
        status, body, headers = await connection.post(run.bodies[number])
        run.requests.append(Request(start, time.monotonic(), number, status, body))
        if status != 200:
            wanted = headers.get("retry-after", "")
            await asyncio.sleep(min(float(wanted), _LONGEST_PAUSE) if wanted.isdigit() else _PAUSE)
    connection.close()


async def measure(run: Run) -> dict[str, Any]:
    """Run the clients; give the figures of what ended between the warm-up and the end."""
    plan = run.plan
    tasks = [asyncio.create_task(client(run)) for _ in range(plan.clients)]
    await asyncio.sleep(plan.warm_seconds)
    begin = time.monotonic()
    print("warm", flush=True)
    if plan.seconds is None:
        await asyncio.to_thread(sys.stdin.read)
    else:
        await asyncio.sleep(plan.seconds)
    end = time.monotonic()
    run.over = True
    await asyncio.gather(*tasks)
    made = sorted(run.requests, key=lambda request: request.start)
    good, cosine = _judge(made, plan)
    np.savez(
        plan.records,
        start=[request.start for request in made],
        end=[request.end for request in made],
        status=[request.status for request in made],
        good=good,
        body=[b"" if fine else request.body[:4000] for request, fine in zip(made, good, strict=True)],
    )
    inside = [(request, fine) for request, fine in zip(made, good, strict=True) if begin <= request.end <= end]
    taken = np.array([request.end - request.start for request, fine in inside if fine]) * 1000
    failures = Counter(_reason(request) for request, fine in inside if not fine)
    return {
        "requests_per_second": len(taken) / (end - begin),
        "p50_ms": float(np.percentile(taken, 50)) if len(taken) else None,
        "p99_ms": float(np.percentile(taken, 99)) if len(taken) else None,
        "failed": sum(failures.values()),
        "failures": dict(failures.most_common(5)),
        "min_cosine": cosine,
    }


def _judge(made: list[Request], plan: Plan) -> tuple[list[bool], float]:
    """Which replies hold the right vector, and the smallest cosine of those that hold any."""
    expected = np.load(plan.reference).astype(np.float64)
    good, smallest = [], 1.0
    for request in made:
        vector = _vector(request, plan.vector)
        fine = vector is not None and vector.shape == expected[request.number].shape
        if fine and vector is not None:
            wanted = expected[request.number]
            cosine = float(vector @ wanted / (np.linalg.norm(vector) * np.linalg.norm(wanted)))
            smallest = min(smallest, cosine)
        good.append(fine)
    return good, smallest


def _vector(request: Request, keys: list[Any]) -> np.ndarray[Any, np.dtype[np.float64]] | None:
    if request.status != 200:
        return None
    try:
        found = orjson.loads(request.body)
        for key in keys:
            found = found[key]
        return np.asarray(found, dtype=np.float64)
    except (ValueError, KeyError, IndexError, TypeError):
        return None


def _reason(request: Request) -> str:
    return f"{request.status}: {request.body[:160].decode(errors='replace')}"


if __name__ == "__main__":
    plan = Plan(**json.loads(Path(sys.argv[1]).read_text()))
    run = Run(plan, Path(plan.bodies).read_bytes().splitlines())
    print(json.dumps(asyncio.run(measure(run))), flush=True)
