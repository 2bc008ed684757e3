"""Services as processes of this machine."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil

from mixpeek_dagster.deployer.hosting.environment import service_environment
from mixpeek_dagster.deployer.hosting.host import Report, Service, ServiceHealth
from mixpeek_dagster.deployer.hosting.readiness import readiness
from mixpeek_dagster.deployer.hosting.spec import ServiceSpec
from mixpeek_dagster.errors import ServingError
from mixpeek_dagster.processes.child import ChildProcess
from mixpeek_dagster.processes.files import write_atomically
from mixpeek_dagster.processes.identity import ProcessIdentity, this_machine
from mixpeek_dagster.processes.owner import inherited_owner
from mixpeek_dagster.processes.ports import HOST, choose, is_free
from mixpeek_dagster.settings import Settings
from serving.variables import INSTANCE

_REPLY_SECONDS = 5.0


@dataclass(frozen=True)
class ServiceRecord:
    """A running process of this machine, as it is written down for the next program.

    Args:
        spec: what it serves.
        pid: its process, which leads a group of its own.
        started: when, as the system tells it; with the pid it names a process for good.
        port: on the loopback address.
        instance: a random name that /readyz repeats.
        log: where it prints.
    """

    spec: ServiceSpec
    pid: int
    started: float
    port: int
    instance: str
    log: str

    @property
    def process(self) -> ProcessIdentity:
        """The process by pid and start time, so that another one under the same pid is not taken for it."""
        return ProcessIdentity(this_machine(), self.pid, self.started)

    @classmethod
    def read(cls, path: Path) -> ServiceRecord | None:
        """What a file holds; None if it is no record."""
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
            return cls(**{**fields, "spec": ServiceSpec(**fields["spec"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None


class LocalService:
    """A process that serves one deployment, started by this program or by one before it."""

    def __init__(self, record: ServiceRecord, path: Path, process: ChildProcess | None = None) -> None:
        self.record = record
        self._path = path
        self._process = process or ChildProcess(record.process, Path(record.log))

    @property
    def spec(self) -> ServiceSpec:
        return self.record.spec

    @property
    def address(self) -> str:
        """`host:port`."""
        return f"{HOST}:{self.record.port}"

    @property
    def pid(self) -> int:
        return self.record.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.alive

    def report(self) -> Report | None:
        """What /readyz says, if it is this service that answers."""
        said = readiness(self.address, self.record.instance, _REPLY_SECONDS)
        if said is None:
            return None
        about: dict[str, Any] = next(iter(said["endpoints"].values()), {})
        problem = about.get("problem") or "; ".join(said.get("unserved", {}).values())
        health = ServiceHealth.STARTING
        if about.get("state") == "ready":
            health = ServiceHealth.READY
        elif about.get("state") == "failed" or not said["endpoints"]:
            health = ServiceHealth.FAILED
            problem = problem or "there is nothing to serve"
        return Report(health, problem, said.get("in_flight", 0), about.get("cold_start_seconds"))

    def memory_bytes(self) -> int:
        """Resident memory of the process and its children without what comes from files."""
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.record.pid)
            return sum(_private(each) for each in (process, *process.children(recursive=True)))
        return 0

    def last_words(self) -> str:
        """The end of its log."""
        return self._process.last_words()

    def stop(self) -> None:
        """Ask it to end; it answers what it works on first. Kill its group after a while."""
        self._process.stop()
        self._path.unlink(missing_ok=True)
        shutil.rmtree(self._path.parent / self.record.instance, ignore_errors=True)


def _private(process: psutil.Process) -> int:
    memory = process.memory_info()
    return int(memory.rss - getattr(memory, "shared", 0))


class LocalHost:
    """Starts services as processes on the loopback address and writes each down under the home folder.

    Args:
        settings: the home folder, where models are, and limits.
        environment: what to take the environment from; none = this process's.
    """

    def __init__(self, settings: Settings, environment: Mapping[str, str] | None = None) -> None:
        self._settings = settings
        self._environment = os.environ if environment is None else environment
        self._folder = settings.home_path / "serving"

    def start(self, spec: ServiceSpec, like: Service | None = None) -> LocalService:
        """Start a process for it and return at once.

        Raises:
            ServingError: BentoML is not installed, or no process can be started.
        """
        if find_spec("bentoml") is None:
            fix = "Run: pip install 'mixpeek-dagster[serve]'"
            raise ServingError(f"service of {spec.route}", why="BentoML is not installed", fix=fix)
        self._folder.mkdir(parents=True, exist_ok=True)
        instance = secrets.token_hex(8)
        work = self._folder / instance
        work.mkdir()
        port = self._port(like)
        log = self._settings.home_path / "logs" / "serving" / f"{_file_name(spec)}.log"
        environment = {
            **service_environment(self._settings, self._environment, work),
            **spec.variables,
            INSTANCE: instance,
        }
        command = [sys.executable, "-m", "serving.worker", spec.module, "--host", HOST, "--port", str(port)]
        owner = inherited_owner(self._environment)
        try:
            process = ChildProcess.start(command, output=log, environment=environment, folder=work, owner=owner)
        except OSError as error:
            raise ServingError(f"service of {spec.route}", why=f"no process can be started: {error}") from None
        record = ServiceRecord(spec, process.pid, process.identity.started, port, instance, str(log))
        path = self._folder / f"{_file_name(spec)}.{instance}.json"
        write_atomically(path, json.dumps(asdict(record), default=dict).encode(), 0o600)
        return LocalService(record, path, process)

    def running(self) -> list[LocalService]:
        """Processes that are written down and still run; records of others are removed."""
        found = []
        for path in sorted(self._folder.glob("*.json")):
            record = ServiceRecord.read(path)
            if record is not None and record.process.is_running:
                found.append(LocalService(record, path))
            else:
                path.unlink(missing_ok=True)
        return found

    def _port(self, like: Service | None) -> int:
        if isinstance(like, LocalService) and is_free(like.record.port):
            return like.record.port
        return choose({"service": ()})["service"]


def _file_name(spec: ServiceSpec) -> str:
    return "".join(letter if letter.isalnum() or letter in "_-" else "." for letter in spec.service_id)[-100:]
