"""A Ray cluster of one node for a benchmark, on ports of its own, stopped by itself alone."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

from mixpeek_dagster.processes.ports import choose

_START_SECONDS = 120
_STOP_SECONDS = 30


@contextmanager
def ray_cluster(log: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """Address of a running cluster.

    Args:
        log: file for its output.
        environment: variables of its node, which lead the workers to the stores.

    Raises:
        SystemExit: it does not start; its output is in `log`.
    """
    ports = choose({"head": (), "client": (), "agent": ()})
    # Clusters check a token from 2.60 on; jobs that this process starts find it in their environment.
    os.environ.update({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16)})
    # Workers give way to everybody else by default; here nobody else is to be waited for.
    variables = {**os.environ, **environment, "RAY_worker_niceness": "0"}
    command = [Path(sys.executable).parent / "ray", "start", "--head", "--block", f"--port={ports['head']}"]
    command += [f"--ray-client-server-port={ports['client']}", f"--dashboard-agent-listen-port={ports['agent']}"]
    command += ["--min-worker-port=0", "--max-worker-port=0", "--include-dashboard=false", "--disable-usage-stats"]
    with log.open("wb") as output:
        process = subprocess.Popen([str(word) for word in command], stdout=output, stderr=output, env=variables)
    try:
        _wait_for(ports["head"], process, log)
        yield f"127.0.0.1:{ports['head']}"
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the cluster's own processes; `ray stop` would end those of every cluster of the machine."""
    if process.poll() is not None:
        return
    own = psutil.Process(process.pid)
    processes = [*own.children(recursive=True), own]
    process.terminate()
    _, left = psutil.wait_procs(processes, timeout=_STOP_SECONDS)
    for remaining in left:
        remaining.kill()
    process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0 and "Ray runtime started" in log.read_text(errors="replace"):
                return
        time.sleep(0.2)
    raise SystemExit(f"the Ray cluster did not start:\n{log.read_text(errors='replace')}")
