"""Serving the API."""

from __future__ import annotations

import uvicorn

from mixpeek_dagster.api.app import create_app
from mixpeek_dagster.api.reload import GraphReload
from mixpeek_dagster.errors import SettingsError
from mixpeek_dagster.http.logs import log_to_stderr
from mixpeek_dagster.processes.ports import is_loopback_address
from mixpeek_dagster.settings import Settings
from mixpeek_dagster.stores import open_stores


def listen(settings: Settings, host: str, port: int) -> None:
    """Serve the API until interrupted.

    Raises:
        SettingsError: stores are embedded and the host is not a loopback address.
    """
    embedded = None in (settings.mongodb_url, settings.qdrant_url, settings.s3_url)
    if embedded and not (host == "localhost" or is_loopback_address(host)):
        raise SettingsError(
            f"--host {host}",
            why="the embedded stores are for one machine, so the API listens on a loopback address only",
            fix="Use 127.0.0.1, or set MIXPEEK_MONGODB_URL, MIXPEEK_QDRANT_URL and MIXPEEK_S3_URL",
        )
    log_to_stderr()
    with open_stores(settings) as stores:
        graph = GraphReload(settings)
        graph.watch()
        app = create_app(stores, settings, graph=graph)
        uvicorn.run(app, host=host, port=port, log_level="warning", access_log=False, server_header=False)
