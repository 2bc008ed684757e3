"""`python -m mixpeek_dagster.api`: the API as a process."""

from __future__ import annotations

import argparse

from mixpeek_dagster.api.listen import listen
from mixpeek_dagster.processes.ports import HOST
from mixpeek_dagster.settings import Settings


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default=HOST)
    parser.add_argument("--port", type=int, default=None)
    arguments = parser.parse_args()
    settings = Settings.load()
    listen(settings, arguments.host, arguments.port or settings.api_port)


if __name__ == "__main__":
    main()
