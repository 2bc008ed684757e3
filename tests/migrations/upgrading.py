"""A process that upgrades what the environment names.

It says each point that it reaches, and goes on when it is told; with `free` as its argument it does neither.
"""

from __future__ import annotations

import sys

from mixpeek_dagster.catalog.connection import connect
from mixpeek_dagster.migrations.upgrade import ensure_current
from mixpeek_dagster.settings import Settings

BATCH = 3


def main() -> None:
    """Upgrade, a few things at a time."""
    settings = Settings.load()

    def reached(point: str) -> None:
        if "free" in sys.argv:
            return
        print(point, flush=True)
        sys.stdin.readline()

    with connect(settings.mongodb_url or "") as client:
        ensure_current(settings, client, reached=reached, batch=BATCH)


if __name__ == "__main__":
    main()
