"""A server of ours as a child process on the loopback address: started, waited for, and stopped with all it started."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from mixpeek_dagster.errors import ServingError
from mixpeek_dagster.processes.files import last_lines, open_log
from mixpeek_dagster.processes.parent import die_with_parent
from mixpeek_dagster.processes.ports import HOST, choose

_START_SECONDS = 120


class ChildServer:
    """A context manager; it runs in a process group of its own, so that nothing of it outlives us.

    Args:
        name: what messages call it.
        port: wanted port; the next free one if it is taken.
        log: file that its output goes to.
        environment: variables beside our own.
    """

    health = "/health"

    def __init__(self, name: str, port: int, log: Path, environment: dict[str, str]) -> None:
        self._name = name
        self._environment = environment
        self.port = choose({name: [port] if port else []})[name]
        self.url = f"http://{HOST}:{self.port}"
        self.log = log

    def command(self) -> list[str]:
        """The program and its arguments."""
        raise NotImplementedError

    def ready(self) -> None:
        """Called once it answers; may raise if that is not enough."""

    @property
    def pid(self) -> int:
        """Its process, which leads a group of its own."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def __enter__(self) -> Self:
        """Start it and wait until it answers.

        Raises:
            ServingError: it stopped or did not answer in time.
        """
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with open_log(self.log) as log:
            self._process = subprocess.Popen(
                self.command(),
                env={**os.environ, **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent(),  # noqa: PLW1509 - it only makes one system call
            )
        try:
            self._wait(deadline=time.monotonic() + _START_SECONDS)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        stop_group(self._process)

    def _wait(self, deadline: float) -> None:
        while time.monotonic() < deadline:
            if not self.alive:
                raise ServingError(self._name, why=f"it stopped: {last_lines(self.log)}", fix=f"Read {self.log}")
            try:
                if httpx.get(f"{self.url}{self.health}", timeout=2).is_success:
                    self.ready()
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.2)
        raise ServingError(self._name, why=f"it did not answer within {_START_SECONDS} s", fix=f"Read {self.log}")


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
