"""One service in this process: `python -m serving.worker MODULE:ATTRIBUTE --port PORT`.

BentoML's own command starts two processes for each service, of which the first only watches the second. The supervisor
watches already, and a process less is 170 MB less for each deployment.
"""

from __future__ import annotations

import argparse
import importlib
import os
import shutil
from pathlib import Path

import bentoml
import uvicorn

from mixpeek_dagster.processes.owner import end_with_owner
from serving.variables import METRICS_FOLDER

_KEEP_ALIVE_SECONDS = 75
_DRAIN_SECONDS = 10
_BACKLOG = 2048


def main() -> None:
    """Serve until a signal comes or the owner has ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("service", help="module:attribute of a BentoML service")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    end_with_owner()
    _clear_metrics()
    module, _, attribute = options.service.partition(":")
    service: bentoml.Service[object] = getattr(importlib.import_module(module), attribute)
    uvicorn.run(
        service.to_asgi(),
        host=options.host,
        port=options.port,
        backlog=_BACKLOG,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_DRAIN_SECONDS,
    )


def _clear_metrics() -> None:
    if folder := os.environ.get(METRICS_FOLDER):
        shutil.rmtree(folder, ignore_errors=True)
        Path(folder).mkdir(parents=True)


if __name__ == "__main__":
    main()
