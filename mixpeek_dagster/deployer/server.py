"""The deployer as a child process of `mixpeek up`."""

from __future__ import annotations

import sys

from mixpeek_dagster.processes.child_server import ChildServer
from mixpeek_dagster.processes.identity import ProcessIdentity
from mixpeek_dagster.processes.owner import owner_variables
from mixpeek_dagster.settings import Settings


class DeployerServer(ChildServer):
    """The deployer and its router on loopback. The services that it starts belong to this process."""

    health = "/healthz"

    def __init__(self, settings: Settings, environment: dict[str, str]) -> None:
        log = settings.home_path / "logs" / "deployer.log"
        super().__init__("the deployer", 0, log, {**environment, **owner_variables(ProcessIdentity.own())})

    def command(self) -> list[str]:
        """The program and its arguments."""
        return [sys.executable, "-m", "mixpeek_dagster.deployer", "--port", str(self.port)]
