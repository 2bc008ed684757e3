"""`mixpeek up` on a home folder of its own, and the command beside it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.servers import TEXT_MODEL, Endpoint, answers, stop
from mixpeek_dagster import ids
from mixpeek_dagster.deployer.hosting.local import ServiceRecord
from mixpeek_dagster.embedded import stop_embedded
from mixpeek_dagster.processes.up_lock import read_up
from mixpeek_dagster.settings import Settings

_START_SECONDS = 300.0
_MIXPEEK = (sys.executable, "-c", "from mixpeek_dagster.cli.main import run; run()")


@dataclass(frozen=True)
class Installation:
    """A running `mixpeek up`."""

    home: Path
    environment: Mapping[str, str]
    process: subprocess.Popen[bytes]

    @property
    def port(self) -> int:
        """Where the gateway listens."""
        return int(read_up(self.home)["inference"].rpartition(":")[2])

    def mixpeek(self, *words: object) -> str:
        """Run the command; what it printed.

        Raises:
            SystemExit: it failed.
        """
        done = subprocess.run(
            [*_MIXPEEK, *map(str, words)], env=self.environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"mixpeek {' '.join(map(str, words))} failed:\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def services(self) -> dict[str, int]:
        """Process ids of the services that are written down, by route."""
        paths = (self.home / "serving").glob("*.json")
        records = [record for path in paths if (record := ServiceRecord.read(path)) is not None]
        return {record.spec.route: record.pid for record in records}


@contextmanager
def ours(home: Path, settings: Settings, environments: Path) -> Iterator[Endpoint]:
    """The built-in service of the model behind the gateway of `mixpeek up`."""
    with installation(home / "home", settings.models_path) as up:
        route = ids.route(ids.service_name(TEXT_MODEL), "v1")
        endpoint = Endpoint(
            up.port, route, lambda text: {"inputs": {"texts": [text]}, "parameters": {}}, ("embeddings", 0)
        )
        if not answers(endpoint):
            raise SystemExit(f"{route} does not answer; see {up.home / 'logs'}")
        yield endpoint


@contextmanager
def installation(home: Path, models: Path, **settings: object) -> Iterator[Installation]:
    """`mixpeek up` until the end of the block.

    Args:
        models: folder of the models.
        settings: by their names.

    Raises:
        SystemExit: it does not start; says what it printed.
    """
    home.mkdir(parents=True, exist_ok=True)
    values = {f"MIXPEEK_{name.upper()}": str(value) for name, value in settings.items()}
    environment = {**os.environ, "MIXPEEK_HOME": str(home), "MIXPEEK_MODELS": str(models), **values}
    log = home / "up.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*_MIXPEEK, "up"], env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        until = time.monotonic() + _START_SECONDS
        while "inference" not in read_up(home):
            if process.poll() is not None or time.monotonic() > until:
                raise SystemExit(f"`mixpeek up` did not start:\n{log.read_text(errors='replace')[-4000:]}")
            time.sleep(0.2)
        yield Installation(home, environment, process)
    finally:
        stop(process)
        stop_embedded(home)
