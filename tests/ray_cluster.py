"""A real Ray cluster of one node with two CPUs and what it takes for a GPU, with a token, on free ports."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from tests.private_api.ray_token import read_token

_STARTED = "Ray runtime started."


@dataclass(frozen=True)
class RayCluster:
    """A running cluster.

    Args:
        address: for drivers on this machine.
        jobs: its job server.
        folder: of its logs and of its node's home.
        secrets: what must not be seen anywhere, by variable.
    """

    address: str
    jobs: str
    folder: Path
    secrets: Mapping[str, str] = field(repr=False)


@contextmanager
def ray_cluster(folder: Path, environment: Mapping[str, str]) -> Iterator[RayCluster]:
    """Start a cluster whose node has these variables, and stop it.

    Args:
        folder: short, since Ray makes sockets below it.
        environment: `MIXPEEK_*` variables of the stores.
    """
    token = secrets.token_hex(32)
    own = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}
    # Workers are nice to everyone else by default, and a test would wait for them.
    own["RAY_worker_niceness"] = "0"
    # Jobs run `dagster`, which the node's shell must find.
    own["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    variables = os.environ | environment | own | {"MIXPEEK_HOME": str(folder / "node")}
    gcs, dashboard, client = _free_ports(3)
    command = [
        *(sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--disable-usage-stats"),
        *("--num-cpus=2", "--num-gpus=1", "--object-store-memory=100000000", "--include-dashboard=true"),
        *(f"--port={gcs}", f"--dashboard-port={dashboard}", f"--ray-client-server-port={client}"),
        *("--min-worker-port=0", "--max-worker-port=0", "--dashboard-agent-listen-port=0"),
        f"--temp-dir={folder / 'ray'}",
    ]
    process = subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    with ExitStack() as stack:
        stack.callback(_stop, process)
        _wait_until_started(process)
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in own.items():
            patch.setenv(name, value)
        read_token()
        stack.callback(_disconnect)
        hidden = {"RAY_AUTH_TOKEN": token} | {k: v for k, v in environment.items() if "KEY" in k}
        yield RayCluster(f"{_own_address()}:{gcs}", f"http://127.0.0.1:{dashboard}", folder, hidden)


def _disconnect() -> None:
    import ray

    ray.shutdown()


def _wait_until_started(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if _STARTED in line:
            return
    raise AssertionError(f"Ray did not start: {''.join(lines)}")


def _stop(process: subprocess.Popen[str]) -> None:
    # Killed, not asked: its files are the test's, and asking takes half a minute.
    for one in [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]:
        try:
            one.kill()
        except psutil.NoSuchProcess:
            continue
    process.communicate()


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _own_address() -> str:
    import ray.util

    return str(ray.util.get_node_ip_address())
