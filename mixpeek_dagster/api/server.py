"""The API as a child process of `mixpeek up`."""

from __future__ import annotations

import sys

from mixpeek_dagster.processes.child_server import ChildServer
from mixpeek_dagster.settings import Settings


class ApiServer(ChildServer):
    """The API as a child process on loopback, stopped with its parent; its log is `logs/api.log` of the home."""

    def __init__(self, settings: Settings, environment: dict[str, str]) -> None:
        super().__init__("the API", settings.api_port, settings.home_path / "logs" / "api.log", environment)

    def command(self) -> list[str]:
        """The program and its arguments."""
        return [sys.executable, "-m", "mixpeek_dagster.api", "--port", str(self.port)]
