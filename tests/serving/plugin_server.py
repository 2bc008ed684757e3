"""A process that serves plugins, as the deployer starts it; several of them in one, which the deployer never does."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from mixpeek_dagster.deployer.hosting.host import Service
from mixpeek_dagster.deployer.hosting.local import LocalHost, LocalService
from mixpeek_dagster.deployer.hosting.readiness import readiness
from mixpeek_dagster.deployer.hosting.spec import PLUGIN_MODULE, ServiceSpec
from mixpeek_dagster.plugins.spec import PluginSpec
from mixpeek_dagster.processes.child import wait_until
from mixpeek_dagster.settings import Settings
from serving.variables import INSTANCE, PLUGINS

START_SECONDS = 180.0
PLAIN = """
class InferenceService:
    def __call__(self, inputs, parameters):
        return {"ok": True}
"""
SLOW_IMPORT = """
import time
time.sleep(60)
"""


def spec_of(*folders: Path, service_id: str = "ns_tests:plugins", module: str = PLUGIN_MODULE) -> ServiceSpec:
    """What a service of these plugins is told."""
    variables = {PLUGINS: os.pathsep.join(map(str, folders))}
    return ServiceSpec(service_id, "1", "ns_tests", "/plugins", module, variables)


class PluginServer:
    """A service of a local host, and what tests ask of it.

    Args:
        service: a running one.
    """

    def __init__(self, service: LocalService) -> None:
        self.service = service
        self.url = f"http://{service.address}"
        self.port = service.record.port
        self.pid = service.pid
        self.instance = service.record.instance
        self.log = Path(service.record.log)

    @classmethod
    def start(cls, folders: Sequence[Path], settings: Settings, like: Service | None = None) -> PluginServer:
        """Start one and return at once."""
        return cls(LocalHost(settings).start(spec_of(*folders), like))

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self.service.alive

    @property
    def problems(self) -> Mapping[str, str]:
        """Why a route or folder has no working plugin."""
        said = self.said()
        failed = {route: about["problem"] for route, about in said["endpoints"].items() if about["state"] == "failed"}
        return {**said["unserved"], **failed}

    def said(self) -> dict[str, Any]:
        """What it says of itself; nothing while it does not answer."""
        return readiness(self.service.address, self.instance, 5) or {}

    def await_settled(self) -> None:
        """Wait until every plugin is loaded or has failed to."""
        settled = wait_until(lambda: not self.alive or bool(self.said().get("settled")), START_SECONDS)
        assert settled, f"not settled within {START_SECONDS} s: {self.service.last_words()}"
        assert self.alive, self.service.last_words()

    def url_of(self, spec: PluginSpec) -> str:
        """Where a plugin's realtime.py answers."""
        return f"{self.url}{spec.route}"

    def close(self) -> None:
        """Stop it; again is harmless."""
        self.service.stop()


def processes_of(instance: str) -> set[int]:
    """Ids of all live processes that work for a service, in whatever session they are: their environment names it."""
    mark = f"{INSTANCE}={instance}".encode()
    found = set()
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdecimal() and mark in (entry / "environ").read_bytes().split(b"\0"):
                found.add(int(entry.name))
    return found - {os.getpid()}
