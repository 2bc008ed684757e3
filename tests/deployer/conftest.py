"""The deployer and the gateway as processes of their own, over real stores; plugins that embed without a model."""

from __future__ import annotations

import os
import secrets
import signal
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from mixpeek_dagster.catalog.plugins import DeploymentStatus, PluginRecord
from mixpeek_dagster.catalog.tenant import NamespaceView
from mixpeek_dagster.deployer.gateway.caddy import Gateway
from mixpeek_dagster.deployer.hosting.local import LocalHost, LocalService
from mixpeek_dagster.deployer.server import DeployerServer
from mixpeek_dagster.embedded import EmbeddedStores
from mixpeek_dagster.operations.deployments import deploy
from mixpeek_dagster.operations.plugins import find_plugin
from mixpeek_dagster.operations.uploads import register_archive
from mixpeek_dagster.plugins.archive import pack
from mixpeek_dagster.settings import Settings
from mixpeek_dagster.stores import Stores, archive_limits, open_stores
from tests.runs.conftest import EMBED, MANIFEST, PIPELINE

DEADLINE = 60.0
EMBEDS = """
class InferenceService:
    def __call__(self, inputs, parameters):
        text = inputs["text"]
        vector = [float(len(text)), float(sum(map(ord, text)) % 97), 1.0, 0.5]
        return {"embedding": vector, "build": BUILD}
"""
OTHERWISE = """
class InferenceService:
    def __call__(self, inputs, parameters):
        return {"embedding": [1.0, -2.0, 3.0, -4.0], "build": BUILD}
"""
RAISES = """
class InferenceService:
    def __init__(self):
        raise OSError("no such device")

    def __call__(self, inputs, parameters):
        return {}
"""
SAYS_NOTHING = """
class InferenceService:
    def __call__(self, inputs, parameters):
        return {"build": BUILD}
"""
GATED = """
import pathlib
import time

class InferenceService(InferenceService):
    def __init__(self):
        while not pathlib.Path(GATE).exists():
            time.sleep(0.05)
"""


@dataclass
class Installation:
    """What `mixpeek up` starts for inference, and the namespace that plugins are pushed to."""

    settings: Settings
    stores: Stores
    view: NamespaceView
    work: Path
    deployer: DeployerServer
    gateway: Gateway
    builds: int = 0

    def push(self, realtime: str, name: str = "", view: NamespaceView | None = None) -> PluginRecord:
        """Register a plugin, or other content of one; its replies tell its build."""
        self.builds += 1
        name = name or f"plugin_{secrets.token_hex(4)}"
        folder = self.work / f"{name}_{self.builds}" / name
        (folder / "processors").mkdir(parents=True)
        manifest = MANIFEST.format(name=name, types=["text"], inputs={"text": {"type": "string", "required": True}})
        (folder / "manifest.py").write_text(manifest)
        (folder / "pipeline.py").write_text(PIPELINE.format(condition="ALWAYS"))
        (folder / "processors" / "core.py").write_text(EMBED)
        (folder / "realtime.py").write_text(
            f"BUILD = {self.builds}\nGATE = {str(self.gate)!r}\n{textwrap.dedent(realtime)}"
        )
        archive = folder.parent / f"{name}.zip"
        pack(folder, archive, archive_limits(self.settings))
        return register_archive(view or self.view, self.stores, archive, name, "1.0.0", replace=True)

    def deploy(self, plugin: PluginRecord, *, probe: bool = True) -> PluginRecord:
        """Deploy a plugin and wait for the end."""
        deploy(self.view, plugin.plugin_id, probe=probe)
        return self.wait(plugin, DeploymentStatus.DEPLOYED, DeploymentStatus.FAILED)

    def find(self, plugin: PluginRecord) -> PluginRecord:
        """The plugin's record as it is now."""
        return find_plugin(self.view, plugin.plugin_id)

    def wait(self, plugin: PluginRecord, *states: DeploymentStatus) -> PluginRecord:
        """Wait for one of the states."""
        eventually(lambda: self.find(plugin).deployment.status in states, lambda: str(self.find(plugin).deployment))
        return self.find(plugin)

    def call(self, plugin: PluginRecord, **headers: str) -> httpx.Response:
        """A request through the gateway."""
        url = f"{self.gateway.url}/{plugin.name}/1_0_0"
        return httpx.post(url, json={"inputs": {"text": "hello"}}, headers=headers, timeout=DEADLINE)

    def services(self, plugin: PluginRecord) -> list[LocalService]:
        """The processes that serve a plugin, as they are written down."""
        service_id = f"{plugin.namespace_id}:{plugin.plugin_id}"
        return [each for each in LocalHost(self.settings).running() if each.spec.service_id == service_id]

    def kill(self, service: LocalService) -> None:
        """Kill -9 a service and see it gone."""
        os.kill(service.pid, signal.SIGKILL)
        eventually(lambda: not service.alive)

    def kill_deployer(self) -> None:
        """Kill -9, and nothing else."""
        os.kill(self.deployer.pid, signal.SIGKILL)
        eventually(lambda: not self.deployer.alive)

    def start_deployer(self) -> None:
        """Start it again, as `mixpeek up` does."""
        self.deployer.__enter__()

    @property
    def gate(self) -> Path:
        """File that GATED plugins wait for."""
        return self.settings.home_path / "gate"


def eventually(condition: Callable[[], object], told: Callable[[], str] = str) -> None:
    """Poll for a condition, with a deadline."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, f"not within {DEADLINE} s: {told()}"
        time.sleep(0.05)


def settings_for(embedded: EmbeddedStores, home: Path, **more: Any) -> Settings:
    """Settings of an installation over the run's stores, with a catalog of its own."""
    values: dict[str, Any] = {
        "home": home,
        "mongodb_url": embedded.mongodb_url,
        "mongodb_database": f"deployer_{secrets.token_hex(4)}",
        "qdrant_url": embedded.qdrant_url,
        "s3_url": embedded.s3_url,
        "s3_access_key_id": embedded.s3_access_key_id,
        "s3_secret_access_key": embedded.s3_secret_access_key,
        "inference_port": 0,
        **more,
    }
    return Settings.model_validate(values)


def start_installation(stack: ExitStack, settings: Settings, work: Path) -> Installation:
    """Start everything; it is stopped with the stack."""
    stores = stack.enter_context(open_stores(settings))
    namespace = stores.catalog.ensure_namespace(settings.namespace, settings.organization)
    view = stores.catalog.tenant(namespace.organization_id).namespace(namespace.namespace_id)
    variables = {
        f"MIXPEEK_{name.upper()}": str(value)
        for name, value in settings.model_dump(mode="json", exclude_unset=True).items()
        if name.startswith("inference")
    }
    deployer = stack.enter_context(DeployerServer(settings, {**stores.environment(), **variables}))
    gateway = stack.enter_context(Gateway(settings, deployer.port))
    return Installation(settings, stores, view, work, deployer, gateway)


@pytest.fixture(scope="module")
def installation(embedded: EmbeddedStores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    root = tmp_path_factory.mktemp("deployer")
    with ExitStack() as stack:
        yield start_installation(stack, settings_for(embedded, root / "home"), root)
