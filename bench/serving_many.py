"""Many deployed plugins of which few are used: what the gateway and the deployer hold, and how long a route takes."""

from __future__ import annotations

import http.client
import re
import shutil
import statistics
import time
from datetime import UTC, datetime
from pathlib import Path

import psutil

from bench.installation import Installation, installation
from bench.report import Figure
from bench.servers import VARIANTS
from bench.serving_run import Run
from mixpeek_dagster.catalog.plugins import PluginRecord, plugin_record_id
from mixpeek_dagster.catalog.tenant import NamespaceView
from mixpeek_dagster.operations.plugins import find_plugin
from mixpeek_dagster.settings import Settings
from mixpeek_dagster.stores import open_stores

_PLUGIN = VARIANTS / "plugins" / "counted"
_KNOWN, _ACTIVE = 200, 5
_IDLE_SECONDS = 3600
_LOOKUPS = 2_000
_SETTLE_SECONDS = 5.0


def many_deployments(run: Run) -> list[Figure]:
    """Five plugins that answer; then 195 more that are deployed and parked."""
    home = run.home / "many"
    with installation(home / "home", run.settings.models_path, inference_idle_seconds=_IDLE_SECONDS) as up:
        names = [_deploy(up, home, number) for number in range(_ACTIVE)]
        few = _Measured(up, names)
        with open_stores(Settings.load().model_copy(update={"home": up.home})) as stores:
            namespace = stores.catalog.ensure_namespace("default", "local")
            view = stores.catalog.tenant(namespace.organization_id).namespace(namespace.namespace_id)
            _enter_parked(view, up, _KNOWN - _ACTIVE)
        many = _Measured(up, names)
        running = len(up.services())
    note = f"with {_ACTIVE} known: {few.gateway_mb:.0f} and {few.deployer_mb:.0f} MB"
    return [
        Figure("gateway_mb", many.gateway_mb + many.deployer_mb, note=f"Caddy {many.gateway_mb:.0f} MB; {note}"),
        Figure(
            "deployer_cpu_percent", many.cpu_percent, note=f"of a core, at rest; {few.cpu_percent:.1f} with {_ACTIVE}"
        ),
        Figure("route_lookup_ms", many.lookup_ms, note=f"one connection, p50; {few.lookup_ms:.2f} ms with {_ACTIVE}"),
        Figure("services_running", running, _ACTIVE, note=f"of {_KNOWN} deployed"),
    ]


class _Measured:
    """Memory, idle load and lookup time as they are now."""

    def __init__(self, up: Installation, names: list[str]) -> None:
        deployer = _child(up, "mixpeek_dagster.deployer")
        caddy = _child(up, "caddy")
        deployer.cpu_percent()
        time.sleep(_SETTLE_SECONDS)
        self.cpu_percent = deployer.cpu_percent()
        self.lookup_ms = _lookup(deployer, names)
        self.gateway_mb = caddy.memory_info().rss / 1e6
        self.deployer_mb = deployer.memory_info().rss / 1e6


def _deploy(up: Installation, home: Path, number: int) -> str:
    """Push and deploy a plugin of its own name."""
    name = f"counted_{number}"
    folder = home / name
    shutil.copytree(_PLUGIN, folder)
    manifest = folder / "manifest.py"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace('"counted"', f'"{name}"'), encoding="utf-8")
    up.mixpeek("plugin", "push", folder)
    up.mixpeek("plugin", "deploy", f"{name}_1_0_0", "--watch")
    return name


def _enter_parked(view: NamespaceView, up: Installation, count: int) -> None:
    """Enter deployments as the catalog has them of plugins that were deployed and are not used.

    Raises:
        SystemExit: they are started, though nobody calls them.
    """
    known = find_plugin(view, "counted_0_1_0_0")
    for number in range(count):
        view.plugins.insert(_copy(known, view, f"parked_{number:03d}"))
        if number == _ACTIVE:
            time.sleep(_SETTLE_SECONDS)
        if number >= _ACTIVE and len(up.services()) > _ACTIVE:
            for plugin in view.plugins.find(view.id):
                if plugin.name.startswith("parked"):
                    view.plugins.delete(plugin.record_id)
            raise SystemExit("deployments that nobody calls are started, in spite of MIXPEEK_INFERENCE_IDLE_SECONDS")
    time.sleep(_SETTLE_SECONDS)


def _copy(known: PluginRecord, view: NamespaceView, name: str) -> PluginRecord:
    now, plugin_id = datetime.now(UTC), f"{name}_1_0_0"
    deployment = known.deployment.model_copy(update={"route": f"/{name}/1_0_0", "updated_at": now})
    changed = {
        "record_id": plugin_record_id(view.id, plugin_id),
        "plugin_id": plugin_id,
        "name": name,
        "deployment": deployment,
    }
    return known.model_copy(update=changed)


def _child(up: Installation, word: str) -> psutil.Process:
    for child in psutil.Process(up.process.pid).children(recursive=True):
        if word in " ".join(child.cmdline()):
            return child
    raise SystemExit(f"`mixpeek up` has no process {word!r}")


def _lookup(deployer: psutil.Process, names: list[str]) -> float:
    """Milliseconds that the router takes to say where a route is, as the gateway asks it."""
    found = re.search(r"--port (\d+)", " ".join(deployer.cmdline()))
    assert found is not None
    connection = http.client.HTTPConnection("127.0.0.1", int(found[1]))
    taken = []
    for number in range(_LOOKUPS):
        headers = {"X-Forwarded-Uri": f"/{names[number % len(names)]}/1_0_0", "X-Forwarded-Host": "127.0.0.1"}
        started = time.perf_counter()
        connection.request("GET", "/authorize", headers=headers)
        reply = connection.getresponse()
        reply.read()
        taken.append(time.perf_counter() - started)
        if reply.status != 200:
            raise SystemExit(f"the router answered {reply.status}")
    connection.close()
    return 1000 * statistics.median(taken)
