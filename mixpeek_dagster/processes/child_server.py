"""A server of ours as a child process on the loopback address: started, waited for, and stopped with all it started."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from mixpeek_dagster.errors import ServingError
from mixpeek_dagster.processes.child import ChildProcess
from mixpeek_dagster.processes.ports import HOST, choose

_START_SECONDS = 120
_PAUSE = 0.2


class ChildServer:
    """A context manager that starts it and stops it.

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
        return self._process.alive

    def start(self) -> None:
        """Start it, on its port again if it had been started before, and wait until it answers.

        Raises:
            ServingError: it stopped or did not answer in time.
        """
        environment = {**os.environ, **self._environment}
        self._process = ChildProcess.start(self.command(), output=self.log, environment=environment)
        try:
            if not self._process.wait_ready(self._answers, _START_SECONDS, _PAUSE):
                ended, words = not self.alive, self._process.last_words()
                why = f"it stopped: {words}" if ended else f"it did not answer within {_START_SECONDS} s"
                raise ServingError(self._name, why=why, fix=f"Read {self.log}")
            self.ready()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Interrupt it and what it started, and kill what is left."""
        self._process.stop(signal.SIGINT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}{self.health}", timeout=2).is_success
        except httpx.TransportError:
            return False
