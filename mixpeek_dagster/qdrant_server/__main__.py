"""Run the server: `python -m mixpeek_dagster.qdrant_server --path DIR --port N`."""

from __future__ import annotations

import argparse
import logging
import signal
import socket
import sys
from pathlib import Path

import uvicorn

from mixpeek_dagster.errors import MixpeekError, StoreInUse
from mixpeek_dagster.qdrant_server.app import build_app
from mixpeek_dagster.qdrant_server.registry import Registry

HOST = "127.0.0.1"
_BACKLOG = 2048


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m mixpeek_dagster.qdrant_server")
    parser.add_argument("--path", type=Path, required=True, help="folder of the data")
    parser.add_argument("--port", type=int, required=True, help=f"port on {HOST}")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        _serve(options.path, options.port)
    except MixpeekError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _serve(path: Path, port: int) -> None:
    with Registry(path) as registry, listen(port) as listener:
        config = uvicorn.Config(
            build_app(registry), log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=5
        )
        for signum in (signal.SIGTERM, signal.SIGINT):
            # uvicorn raises the signal again once it has stopped: by then it must not kill, the data is to be closed.
            signal.signal(signum, lambda *_: None)
        uvicorn.Server(config).run(sockets=[listener])


def listen(port: int) -> socket.socket:
    """A socket that has the port to itself.

    Raises:
        StoreInUse: another has it.
    """
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        # Until one of them listens, two processes may be bound to a port.
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise StoreInUse(f"port {port} on {HOST}", why=str(error.strerror)) from None
    return listener


if __name__ == "__main__":
    sys.exit(main())
