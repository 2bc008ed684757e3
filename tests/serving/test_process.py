"""The process of a service: what it sees of its surroundings, and what it says of plugins that do not load."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx

import serving
from mixpeek_dagster.operations.endpoint_client import infer
from mixpeek_dagster.plugins.loading import load_plugin
from mixpeek_dagster.settings import Settings
from tests.serving.plugin_server import PLAIN, SLOW_IMPORT, PluginServer
from tests.waiting import wait_until

IMPORT_ALL = """
import importlib, json, pkgutil, sys
import serving
names = [about.name for about in pkgutil.walk_packages(serving.__path__, "serving.")]
for name in names:
    importlib.import_module(name)
above = [name for name in sys.modules if name.startswith(("mixpeek_dagster.deployer", "mixpeek_dagster.cli"))]
print(json.dumps({"imported": names, "above": above}))
"""


def test_plugins_see_no_keys(server: PluginServer) -> None:
    environment = infer(f"{server.url}/environment/1_0_0", {})
    assert "top-secret" not in environment.values()
    assert Path(environment["HF_HUB_CACHE"]) == Path(environment["MIXPEEK_MODELS"])
    assert environment["BENTOML_DO_NOT_TRACK"] == "True"
    assert Path(environment["BENTOML_HOME"]).is_relative_to(environment["MIXPEEK_HOME"])


def test_plugin_that_never_loads_does_not_stop_the_others(plugin: Callable[..., Path], tmp_path: Path) -> None:
    good = plugin(PLAIN, name="good_plugin")
    server = PluginServer.start([good, plugin(SLOW_IMPORT)], Settings(home=tmp_path / "home"))
    try:
        wait_until(lambda: server.said().get("ready"))
        said = server.said()
        assert said["endpoints"]["/my_plugin/1_0_0"]["state"] == "loading"
        assert not said["settled"]
        assert infer(server.url_of(load_plugin(good).spec), {}) == {"ok": True}
    finally:
        server.close()


def test_server_of_broken_plugins_is_up_and_not_ready(
    plugin: Callable[..., Path], start: Callable[..., PluginServer]
) -> None:
    server = start(plugin("raise OSError('no device')"))
    reply = httpx.get(f"{server.url}/readyz")
    assert (reply.status_code, reply.json()["ready"]) == (503, False)
    assert server.problems == {
        "/my_plugin/1_0_0": "realtime.py:1: realtime.py of plugin 'my_plugin': OSError: no device"
    }
    assert httpx.get(f"{server.url}/healthz").status_code == 200


def test_nothing_that_serves_imports_what_deploys() -> None:
    folder = Path(serving.__path__[0])
    done = subprocess.run([sys.executable, "-c", IMPORT_ALL], stdout=subprocess.PIPE, cwd=folder.parent, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    files = {path for path in folder.rglob("*.py") if path != folder / "__init__.py"}
    assert len(found["imported"]) == len(files)
    assert found["above"] == []
