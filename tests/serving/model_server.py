"""A process that serves built-in models, as a deployer would start it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from mixpeek_dagster import ids
from mixpeek_dagster.deployer.hosting.local import LocalHost
from mixpeek_dagster.deployer.hosting.readiness import readiness
from mixpeek_dagster.deployer.hosting.spec import EVERYONE, MODEL_MODULE, ServiceSpec
from mixpeek_dagster.processes.child import wait_until
from mixpeek_dagster.settings import Settings
from serving.variables import MODEL
from tests.http.lines import line_of

START_SECONDS = 120.0


@dataclass(frozen=True)
class ModelServer:
    """A running one."""

    url: str
    log: Path
    instance: str

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
    around = {name: value for name, value in os.environ.items() if name != "HF_HUB_CACHE"}
    host = LocalHost(Settings(home=home, models=str(cache), **settings), {**around, "HF_HUB_OFFLINE": "1"})
    spec = ServiceSpec("model:tests", "1", EVERYONE, "/tests", MODEL_MODULE, {MODEL: ",".join(models)})
    service = host.start(spec)
    instance = service.record.instance

    def settled() -> bool:
        assert service.alive, service.last_words()
        return bool((readiness(service.address, instance, 2) or {}).get("settled"))

    try:
        assert wait_until(settled, START_SECONDS, 0.1), service.last_words()
        yield ModelServer(f"http://{service.address}", Path(service.record.log), instance)
    finally:
        service.stop()
