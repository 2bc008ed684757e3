"""The inference server as a child process."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mixpeek_dagster.deployer.hosting.environment import service_environment
from mixpeek_dagster.deployer.hosting.launch import launch, readiness
from mixpeek_dagster.deployer.hosting.spec import PLUGIN_MODULE
from mixpeek_dagster.errors import ServingError
from mixpeek_dagster.plugins.spec import PluginSpec
from mixpeek_dagster.processes.files import last_lines
from mixpeek_dagster.processes.owner import owner_variables
from mixpeek_dagster.processes.ports import choose, is_free, is_loopback_address
from mixpeek_dagster.settings import Settings
from serving.variables import INSTANCE, PLUGINS

START_SECONDS = 180.0
_STOP_SECONDS = 15.0
_ATTEMPTS = 3
_PAUSE = 0.05
_REPLY_SECONDS = 2.0
_SERVICE = PLUGIN_MODULE


class InferenceServer:
    """One BentoML server for the realtime.py of some plugins, on the loopback address.

    Args:
        plugin_folders: the plugins; one that cannot be loaded shows in `problems` and does not stop the others.
        settings: where the models and the home folder are.
        host: a loopback address.
        port: wanted port; none = the settings'. Another one is chosen when it is taken.
        log_path: none = under the home folder.
        start_seconds: how long all plugins together may take to load.

    Attributes:
        port: where it listens, once it is started.
        log: what it and the plugins print.
        problems: why a route or folder has no working plugin.
        instance: a random name in its environment, told by /readyz.
    """

    def __init__(
        self,
        plugin_folders: Sequence[Path],
        *,
        settings: Settings,
        host: str = "127.0.0.1",
        port: int | None = None,
        log_path: Path | None = None,
        start_seconds: float = START_SECONDS,
    ) -> None:
        self.port = settings.inference_port if port is None else port
        self.log = log_path or settings.home_path / "logs" / "inference.log"
        self.problems: dict[str, str] = {}
        self.instance = ""
        self._folders = [folder.expanduser().absolute() for folder in plugin_folders]
        self._settings = settings
        self._host = host
        self._start_seconds = start_seconds
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{self._host}:{self.port}"

    @property
    def pid(self) -> int:
        """Process id of the server.

        Raises:
            ServingError: it was not started.
        """
        if self._process is None:
            raise ServingError("the inference server", why="it was not started")
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process is not None and self._process.poll() is None

    def url_of(self, spec: PluginSpec) -> str:
        """Where a plugin's realtime.py answers."""
        return f"{self.url}{spec.route}"

    def start(self) -> None:
        """Start it and wait until every plugin is loaded or has failed to, but not for ever.

        Raises:
            ServingError: it stopped or was not ready in time; the end of its log is told.
        """
        self._require_startable()
        wanted = self.port
        for attempt in range(1, _ATTEMPTS + 1):
            self.port = choose({"inference": (wanted,)})["inference"]
            self._launch()
            try:
                self._wait(time.monotonic() + self._start_seconds)
            except BaseException:
                lost_port = not self.alive and not is_free(self.port)
                self.close()
                if lost_port and attempt < _ATTEMPTS:
                    continue
                raise
            return

    def close(self) -> None:
        """Stop it and all its processes."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _require_startable(self) -> None:
        if find_spec("bentoml") is None:
            fix = "Run: pip install 'mixpeek-dagster[serve]'"
            raise ServingError("the inference server", why="BentoML is not installed", fix=fix)
        if self._process is not None:
            raise ServingError("the inference server", why=f"it runs already at {self.url}")
        if not self._folders:
            raise ServingError("the inference server", why="there is no plugin to serve")
        if not is_loopback_address(self._host):
            why = "it has no access control, so it listens on a loopback address only"
            raise ServingError(f"host {self._host!r}", why=why, fix="Use 127.0.0.1")

    def _launch(self) -> None:
        self.instance = secrets.token_hex(8)
        home = self._settings.home_path / "bentoml" / str(self.port)
        home.mkdir(parents=True, exist_ok=True)
        environment = {
            **service_environment(self._settings, os.environ, home),
            PLUGINS: os.pathsep.join(map(str, self._folders)),
            INSTANCE: self.instance,
            **owner_variables(),
        }
        self._process = launch(_SERVICE, self._host, self.port, work=home, log=self.log, environment=environment)

    def _wait(self, deadline: float) -> None:
        report: Mapping[str, Any] = {"endpoints": {}, "unserved": {}}
        while time.monotonic() < deadline:
            if not self.alive:
                why = f"it stopped: {last_lines(self.log) or 'without a word'}"
                raise ServingError("the inference server", why=why, fix=f"Read {self.log}")
            report = readiness(f"{self._host}:{self.port}", self.instance, _REPLY_SECONDS) or report
            if report.get("settled"):
                break
            time.sleep(_PAUSE)
        loading = dict.fromkeys(_in_state(report, "loading"), f"it still loads after {self._start_seconds:g} s")
        if not report.get("settled") and not _in_state(report, "ready"):
            why = f"{', '.join(loading) or 'it'} was not ready within {self._start_seconds:g} s"
            raise ServingError("the inference server", why=why, fix=f"Read {self.log}")
        self.problems = {**report["unserved"], **_in_state(report, "failed"), **loading}


def _in_state(report: Mapping[str, Any], state: str) -> dict[str, str]:
    endpoints: Mapping[str, Mapping[str, str]] = report["endpoints"]
    return {route: about.get("problem", "") for route, about in endpoints.items() if about["state"] == state}
