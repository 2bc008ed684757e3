"""The process of a service on the loopback address, and what it says of its readiness."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from mixpeek_dagster.processes.files import open_log


def launch(
    module: str, host: str, port: int, *, work: Path, log: Path, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Start a service in a process group of its own and return at once.

    Args:
        module: the BentoML service, `module:attribute`.
        work: folder that it works in.
        log: what it prints goes there.
        environment: all of its variables.

    Raises:
        OSError: no process can be started.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with open_log(log) as output:
        return subprocess.Popen(
            [sys.executable, "-m", "serving.worker", module, "--host", host, "--port", str(port)],
            cwd=work,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def readiness(address: str, instance: str, seconds: float) -> dict[str, Any] | None:
    """The whole of what /readyz says; None when nothing answers yet, or another program does.

    Args:
        address: `host:port`.
        instance: the name that the service was given, and repeats.
        seconds: to wait for the reply.
    """
    try:
        # No certificates, no proxies: they take time to read, and this is the same machine.
        said = httpx.get(f"http://{address}/readyz", timeout=seconds, verify=False, trust_env=False).json()
    except (httpx.HTTPError, ValueError):
        return None
    return said if isinstance(said, dict) and said.get("instance") == instance else None
