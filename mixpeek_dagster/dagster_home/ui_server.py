"""Dagster's webserver, daemon and code server as child processes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from mixpeek_dagster.dagster_home.graphql import LOCATION, location_problem
from mixpeek_dagster.dagster_home.runs import open_instance
from mixpeek_dagster.errors import ServingError
from mixpeek_dagster.processes.child_server import ChildServer
from mixpeek_dagster.processes.ports import HOST
from mixpeek_dagster.settings import Settings


class DagsterServer(ChildServer):
    """`dagster dev` on loopback."""

    health = "/server_info"

    def __init__(self, settings: Settings, environment: dict[str, str]) -> None:
        log = settings.home_path / "logs" / "dagster.log"
        variables = {**environment, "DAGSTER_HOME": str(settings.dagster_home)}
        super().__init__("the Dagster server", settings.dagster_port, log, variables)
        self._settings = settings

    def command(self) -> list[str]:
        """The program and its arguments."""
        open_instance(self._settings).dispose()
        address = ["-h", HOST, "-p", str(self.port)]
        return [sys.executable, "-m", "dagster", "dev", "-w", str(self._workspace()), *address]

    def ready(self) -> None:
        """See that the code location loads.

        Raises:
            ServingError: it does not.
        """
        problem = location_problem(self.url)
        if problem:
            raise ServingError("the code location", why=problem.strip().splitlines()[0], fix=f"Read {self.log}")

    def _workspace(self) -> Path:
        path = self._settings.home_path / "run" / "workspace.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        module = {"module_name": "mixpeek_dagster.definitions", "location_name": LOCATION}
        path.write_text(json.dumps({"load_from": [{"python_module": module}]}), encoding="utf-8")
        return path
