"""A process that serves built-in models, as a deployer would start it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from mixpeek_dagster import ids
from mixpeek_dagster.deployer.hosting.environment import service_environment
from mixpeek_dagster.deployer.hosting.spec import MODEL_MODULE
from mixpeek_dagster.processes.owner import owner_variables
from mixpeek_dagster.processes.ports import choose
from mixpeek_dagster.settings import Settings
from serving.variables import INSTANCE, MODEL
from tests.http.lines import line_of

START_SECONDS = 120.0


@dataclass(frozen=True)
class ModelServer:
    """A running one."""

    url: str
    log: Path

    def url_of(self, model_id: str) -> str:
        """Where a model answers."""
        return f"{self.url}/{ids.service_name(model_id)}/v1"

    def post(self, model_id: str, inputs: object, parameters: object = None, **headers: str) -> httpx.Response:
        """What a model replies."""
        body = {"inputs": inputs, "parameters": parameters or {}}
        return httpx.post(self.url_of(model_id), json=body, headers=headers, timeout=60)

    def await_load(self, condition: Callable[[dict[str, Any]], bool]) -> None:
        """Wait until what /readyz tells meets a condition."""
        deadline = time.monotonic() + 20
        while not condition(report := httpx.get(f"{self.url}/readyz", timeout=20).json()):
            assert time.monotonic() < deadline, report
            time.sleep(0.02)

    def line(self, request_id: str) -> dict[str, Any]:
        """The log's line of a request."""
        return line_of(self.log, request_id)


@contextmanager
def served(models: Sequence[str], cache: Path, home: Path, **settings: Any) -> Iterator[ModelServer]:
    """A server of these models that has settled, until the end of the block."""
    home.mkdir(parents=True, exist_ok=True)
    port = choose({"inference": ()})["inference"]
    server = ModelServer(f"http://127.0.0.1:{port}", home / "server.log")
    around = {name: value for name, value in os.environ.items() if name != "HF_HUB_CACHE"}
    environment = {
        **service_environment(Settings(home=home, models=str(cache), **settings), around, home),
        **owner_variables(),
        MODEL: ",".join(models),
        INSTANCE: "tested",
        "HF_HUB_OFFLINE": "1",
    }
    command = [sys.executable, "-m", "serving.worker", MODEL_MODULE, "--port", str(port)]
    with server.log.open("wb") as log:
        process = subprocess.Popen(command, env=environment, cwd=home, stdout=log, stderr=subprocess.STDOUT)
        try:
            _wait(process, server)
            yield server
        finally:
            process.terminate()
            process.wait(30)


def _wait(process: subprocess.Popen[bytes], server: ModelServer) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        assert process.poll() is None, server.log.read_text(encoding="utf-8")
        assert time.monotonic() < deadline, server.log.read_text(encoding="utf-8")
        try:
            if httpx.get(f"{server.url}/readyz", timeout=2).json()["settled"]:
                return
        except (httpx.HTTPError, ValueError, KeyError):
            pass
        time.sleep(0.1)
