"""Starting, stopping and killing the server."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from mixpeek_dagster.errors import ServingError
from mixpeek_dagster.operations.endpoint_client import infer
from mixpeek_dagster.plugins.loading import load_plugin
from mixpeek_dagster.processes.ports import choose
from mixpeek_dagster.settings import Settings
from serving import process
from serving.process import InferenceServer

PLAIN = """
class InferenceService:
    def __call__(self, inputs, parameters):
        return {"ok": True}
"""
SLOW_IMPORT = """
import time
time.sleep(60)
"""
OWNER = """
import sys
from pathlib import Path
from mixpeek_dagster.settings import Settings
from serving.process import InferenceServer

server = InferenceServer([Path(sys.argv[1])], settings=Settings(home=Path(sys.argv[2])))
server.start()
print(server.instance, flush=True)
sys.stdin.read()
"""

Start = Callable[..., InferenceServer]
Eventually = Callable[[Callable[[], object]], None]
ProcessesOf = Callable[[InferenceServer], set[int]]


def test_stop_leaves_no_process(plugin: Callable[..., Path], start: Start, processes_of: ProcessesOf) -> None:
    server = start(plugin(PLAIN))
    assert processes_of(server) == {server.pid}
    server.close()
    assert processes_of(server) == set()
    assert not server.alive


def test_second_server_on_a_taken_port_picks_another(plugin: Callable[..., Path], start: Start) -> None:
    folder = plugin(PLAIN)
    first = start(folder)
    second = start(folder, port=first.port)
    assert first.port != second.port
    for server in (first, second):
        assert httpx.get(f"{server.url}/readyz").json()["instance"] == server.instance
        assert infer(server.url_of(load_plugin(folder).spec), {}) == {"ok": True}
        assert httpx.get(f"{server.url}/metrics").status_code == 200


@pytest.mark.slow
def test_port_that_is_lost_while_it_starts_makes_it_try_again(
    plugin: Callable[..., Path], start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = plugin(PLAIN)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        lost, free = other.getsockname()[1], choose({"inference": ()})["inference"]
        chosen = iter((lost, free))
        monkeypatch.setattr(process, "choose", lambda wanted: {"inference": next(chosen)})
        server = start(folder)
    assert server.port == free
    assert infer(server.url_of(load_plugin(folder).spec), {}) == {"ok": True}


def test_killed_server_is_a_clear_error(
    plugin: Callable[..., Path], start: Start, eventually: Eventually, processes_of: ProcessesOf
) -> None:
    folder = plugin(PLAIN)
    server = start(folder)
    url = server.url_of(load_plugin(folder).spec)
    os.kill(server.pid, signal.SIGKILL)
    eventually(lambda: not processes_of(server))
    with pytest.raises(ServingError, match=r"no answer: .+See that the inference server runs"):
        infer(url, {})
    eventually(lambda: not server.alive)


def test_server_ends_when_its_owner_is_killed(
    plugin: Callable[..., Path], tmp_path: Path, eventually: Eventually, processes_of: ProcessesOf
) -> None:
    folder, home = plugin(PLAIN), tmp_path / "home"
    command = [sys.executable, "-c", OWNER, str(folder), str(home)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as owner:
        assert owner.stdout
        server = InferenceServer([folder], settings=Settings(home=home))
        server.instance = owner.stdout.readline().decode().strip()
        assert processes_of(server)
        owner.kill()
    eventually(lambda: not processes_of(server))


def test_plugins_see_no_keys(server: InferenceServer) -> None:
    environment = infer(f"{server.url}/environment/1_0_0", {})
    assert "top-secret" not in environment.values()
    assert Path(environment["HF_HUB_CACHE"]) == Path(environment["MIXPEEK_MODELS"])
    assert environment["BENTOML_DO_NOT_TRACK"] == "True"
    assert Path(environment["BENTOML_HOME"]).is_relative_to(environment["MIXPEEK_HOME"])


def test_it_listens_on_loopback_only(plugin: Callable[..., Path], tmp_path: Path) -> None:
    server = InferenceServer([plugin(PLAIN)], settings=Settings(home=tmp_path / "home"), host="0.0.0.0")
    with pytest.raises(ServingError, match="loopback"):
        server.start()


def test_no_plugin_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ServingError, match="there is no plugin to serve"):
        InferenceServer([], settings=Settings(home=tmp_path)).start()


def test_server_that_dies_at_start_tells_the_end_of_its_log(
    plugin: Callable[..., Path], start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_SERVICE", "serving.plugin_service:Absent")
    with pytest.raises(ServingError, match=r"it stopped: .*has no attribute 'Absent'.*inference\.log"):
        start(plugin(PLAIN))


@pytest.mark.slow
def test_server_that_is_not_ready_in_time_is_stopped(
    plugin: Callable[..., Path], tmp_path: Path, processes_of: ProcessesOf
) -> None:
    server = InferenceServer([plugin(PLAIN)], settings=Settings(home=tmp_path / "home"), start_seconds=0.2)
    with pytest.raises(ServingError, match=r"was not ready within 0\.2 s"):
        server.start()
    assert not processes_of(server)


@pytest.mark.slow
def test_plugin_that_never_loads_does_not_stop_the_others(plugin: Callable[..., Path], start: Start) -> None:
    good = plugin(PLAIN, name="good_plugin")
    server = start(good, plugin(SLOW_IMPORT), start_seconds=8)
    assert server.problems == {"/my_plugin/1_0_0": "it still loads after 8 s"}
    assert infer(server.url_of(load_plugin(good).spec), {}) == {"ok": True}


def test_server_of_broken_plugins_is_up_and_not_ready(plugin: Callable[..., Path], start: Start) -> None:
    server = start(plugin("raise OSError('no device')"))
    reply = httpx.get(f"{server.url}/readyz")
    assert (reply.status_code, reply.json()["ready"]) == (503, False)
    assert server.problems == {
        "/my_plugin/1_0_0": "realtime.py:1: realtime.py of plugin 'my_plugin': OSError: no device"
    }
    assert httpx.get(f"{server.url}/healthz").status_code == 200
