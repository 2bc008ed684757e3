"""`mixpeek api`: the REST API alone, for servers that run their stores and Dagster themselves."""

from __future__ import annotations

from typing import Annotated

import typer

from mixpeek_dagster.cli.remote import require_local


def api(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(help="Port; MIXPEEK_API_PORT if not given.")] = None,
) -> None:
    """Serve the REST API until Ctrl-C."""
    from mixpeek_dagster.api.listen import listen

    settings = require_local("api", "it serves the stores of this machine")
    listen(settings, host, port or settings.api_port)
