"""Dagster's webserver, daemon and code server as child processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from mixpeek_dagster.compiler.launch import open_instance
from mixpeek_dagster.embedded.files import last_lines, open_log
from mixpeek_dagster.embedded.ports import choose
from mixpeek_dagster.errors import ServingError
from mixpeek_dagster.settings import Settings

LOCATION = "mixpeek"
_RELOAD = """mutation Reload($name: String!) {
  reloadRepositoryLocation(repositoryLocationName: $name) {
    __typename
    ... on WorkspaceLocationEntry { locationOrLoadError { __typename ... on PythonError { message } } }
    ... on UnauthorizedError { message }
    ... on ReloadNotSupported { message }
    ... on RepositoryLocationNotFound { message }
  }
}"""

_STATE = """{ workspaceOrError { ... on Workspace { locationEntries {
  loadStatus locationOrLoadError { __typename ... on PythonError { message } }
} } } }"""


class DagsterServer:
    """`dagster dev` on loopback, in a process group of its own so that nothing of it outlives us."""

    def __init__(self, settings: Settings, environment: dict[str, str]) -> None:
        self._settings = settings
        self._environment = environment
        self.port = choose({"dagster": [settings.dagster_port] if settings.dagster_port else []})["dagster"]
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = settings.home_path / "logs" / "dagster.log"

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def __enter__(self) -> Self:
        """Start it and wait until the UI answers.

        Raises:
            ServingError: it stopped or did not answer in time.
        """
        open_instance(self._settings).dispose()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with open_log(self.log) as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "dagster", "dev", "-w", str(self._workspace()), *self._address()],
                env={**os.environ, **self._environment, "DAGSTER_HOME": str(self._settings.dagster_home)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait(deadline=time.monotonic() + 120)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        stop_group(self._process)

    def _require_location(self) -> None:
        problem = location_problem(self.url)
        if problem:
            raise ServingError("the code location", why=problem.strip().splitlines()[0], fix=f"Read {self.log}")

    def _address(self) -> list[str]:
        return ["-h", "127.0.0.1", "-p", str(self.port)]

    def _workspace(self) -> Path:
        path = self._settings.home_path / "run" / "workspace.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        module = {"module_name": "mixpeek_dagster.definitions", "location_name": LOCATION}
        path.write_text(json.dumps({"load_from": [{"python_module": module}]}), encoding="utf-8")
        return path

    def _wait(self, deadline: float) -> None:
        while time.monotonic() < deadline:
            if not self.alive:
                raise ServingError(
                    "the Dagster server", why=f"it stopped: {last_lines(self.log)}", fix=f"Read {self.log}"
                )
            try:
                if httpx.get(f"{self.url}/server_info", timeout=2).is_success:
                    return self._require_location()
            except httpx.TransportError:
                time.sleep(0.2)
        raise ServingError("the Dagster server", why="it did not answer within 120 s", fix=f"Read {self.log}")


def location_problem(url: str) -> str | None:
    """Why the code location does not load; None if it does.

    Raises:
        ServingError: the UI does not answer.
    """
    entry = _ask(url, _STATE, {})["workspaceOrError"]["locationEntries"][0]
    return (entry["locationOrLoadError"] or {}).get("message")


def reload_location(url: str) -> None:
    """Make a running UI see what the catalog holds now.

    Raises:
        ServingError: the UI does not answer or the code location does not load.
    """
    result = _ask(url, _RELOAD, {"name": LOCATION})["reloadRepositoryLocation"]
    problem = result.get("message") or (result.get("locationOrLoadError") or {}).get("message")
    if problem:
        raise ServingError(f"reload of the Dagster UI at {url}", why=problem)


def _ask(url: str, query: str, variables: dict[str, Any]) -> dict[str, Any]:
    try:
        reply = httpx.post(f"{url}/graphql", json={"query": query, "variables": variables}, timeout=60)
        reply.raise_for_status()
    except httpx.HTTPError as error:
        raise ServingError(f"the Dagster UI at {url}", why=str(error)) from None
    data: dict[str, Any] = reply.json()["data"]
    return data


def stop_group(process: subprocess.Popen[bytes], grace: float = 15.0) -> None:
    """End a process and all it started: interrupt, then kill what is left."""
    for number, wait in ((signal.SIGINT, grace), (signal.SIGKILL, grace)):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(wait)
        except subprocess.TimeoutExpired:
            continue
