"""What the serving benchmark compares, each started as its documentation says and stopped with all its processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from bench.peer_environments import peer_python
from mixpeek_dagster.processes.ports import choose
from mixpeek_dagster.settings import Settings

TEXT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
VARIANTS = Path(__file__).with_name("serving_variants")
PEERS = VARIANTS / "peers"
_START_SECONDS = 180.0
_STOP_SECONDS = 30.0


@dataclass(frozen=True)
class Endpoint:
    """Where one text becomes one vector.

    Args:
        body: the request for a text.
        vector: keys and indices that lead to the vector in the reply.
    """

    port: int
    path: str
    body: Callable[[str], Any]
    vector: tuple[str | int, ...]
    headers: Mapping[str, str] = field(default_factory=dict)


Server = Callable[[Path, Settings, Path], AbstractContextManager[Endpoint]]
"""Starts a server, given a folder for its files, the settings, and the folder of peers' environments."""


@contextmanager
def fastapi(home: Path, settings: Settings, environments: Path) -> Iterator[Endpoint]:
    """FastAPI and sentence-transformers."""
    port = choose({"serve": ()})["serve"]
    endpoint = Endpoint(port, "/embed", lambda text: {"text": text}, ("embedding",))
    with _running(endpoint, [sys.executable, PEERS / "fastapi_app.py", port], home):
        yield endpoint


@contextmanager
def bentoml(home: Path, settings: Settings, environments: Path) -> Iterator[Endpoint]:
    """BentoML's batchable API."""
    port = choose({"serve": ()})["serve"]
    endpoint = Endpoint(port, "/encode", lambda text: {"sentences": [text]}, (0,))
    with _running(endpoint, _bentoml("bentoml_app:Embeddings", port, home, PEERS), home):
        yield endpoint


@contextmanager
def ray_serve(home: Path, settings: Settings, environments: Path) -> Iterator[Endpoint]:
    """Ray Serve with `@serve.batch`.

    Raises:
        Unavailable: its packages cannot be installed.
    """
    python = peer_python("ray-serve", environments, within=PEERS, on_top=True)
    port = choose({"serve": ()})["serve"]
    endpoint = Endpoint(port, "/", lambda text: text, ())
    # Workers give way to everybody else by default; here nobody else is to be waited for.
    environment = {"RAY_worker_niceness": "0", "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
    with _running(endpoint, [python, PEERS / "ray_serve_app.py", port], home, environment):
        yield endpoint


def _bentoml(service: str, port: int, home: Path, folder: Path | None = None) -> list[object]:
    options = ["--host", "127.0.0.1", "--port", port, "--working-dir", folder or home]
    return [sys.executable, "-m", "bentoml", "serve", service, *options]


@contextmanager
def _running(
    endpoint: Endpoint, command: Sequence[object], home: Path, environment: Mapping[str, str] | None = None
) -> Iterator[None]:
    """The server's processes, from its first answer to the end of the block.

    Raises:
        SystemExit: it stopped or did not answer in time; says what it printed.
    """
    home.mkdir(parents=True, exist_ok=True)
    log = home / "server.log"
    # Whatever a compared server would send home about itself stays here.
    variables = {**os.environ, "BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True", **(environment or {})}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(word) for word in command],
            cwd=home,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait(endpoint, process, log)
        yield
    finally:
        stop(process)


def _wait(endpoint: Endpoint, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        if answers(endpoint):
            return
        time.sleep(0.2)
    raise SystemExit(f"the server did not answer:\n{log.read_text(errors='replace')[-4000:]}")


def answers(endpoint: Endpoint) -> bool:
    """Whether a text becomes something."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{endpoint.port}{endpoint.path}",
        data=json.dumps(endpoint.body("hello world")).encode(),
        headers={"Content-Type": "application/json", **endpoint.headers},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process with all that it started."""
    if process.poll() is not None:
        return
    own = psutil.Process(process.pid)
    processes = [*own.children(recursive=True), own]
    process.send_signal(signal.SIGTERM)
    _, left = psutil.wait_procs(processes, timeout=_STOP_SECONDS)
    for remaining in left:
        remaining.kill()
    process.wait()
