"""Keeping one store alive: start it, watch it, restart it once, then say why it failed."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from mixpeek_dagster.embedded.records import StoreRecord, StoreState
from mixpeek_dagster.embedded.stores import Store
from mixpeek_dagster.errors import MixpeekError
from mixpeek_dagster.processes.child import ChildProcess
from mixpeek_dagster.processes.logs import last_lines
from mixpeek_dagster.processes.ports import answers, choose
from mixpeek_dagster.processes.restarts import Restarts

START_SECONDS = 45.0
START_ATTEMPTS = 3
DEATHS = 2
DEATHS_WINDOW = 600.0


class Keeper:
    """One store and its process.

    Call `start`, then `tick` often: it never waits longer than a probe. A store that dies while it serves is restarted
    once; the second death within ten minutes is its end.
    """

    def __init__(self, store: Store, previous_ports: dict[str, int]) -> None:
        self.store = store
        self.ports = {"main": store.ports["main"][0], **previous_ports}
        self.state = StoreState.STARTING
        self.detail = ""
        self._process: ChildProcess | None = None
        self._starts = Restarts(START_ATTEMPTS)
        self._restarts = Restarts(DEATHS, steady_seconds=DEATHS_WINDOW)
        self._last_death: float | None = None
        self._deadline = 0.0

    @property
    def record(self) -> StoreRecord:
        """The store as clients shall see it."""
        pid = self._process.pid if self._process is not None and self.state is not StoreState.FAILED else None
        url, port, log = self.store.url(self.ports), self.ports["main"], str(self._log)
        return StoreRecord(self.store.name, self.state, url, port, pid, log, self.detail)

    def start(self) -> None:
        """Run the program, on its former ports where they are free; if it cannot be run the store has failed."""
        try:
            self._run()
        except (OSError, MixpeekError) as error:
            self._fail(f"could not be started: {error}")
        else:
            self.state = StoreState.STARTING
            self._deadline = time.monotonic() + START_SECONDS

    def tick(self) -> bool:
        """Look after the process; returns whether the record changed."""
        before = self.record
        if self.state is not StoreState.FAILED and self._process is not None:
            status = self._process.status
            if status is not None:
                self._process.kill()  # what it has started would hold its ports
                self._on_exit(_describe(status))
            elif self.state is StoreState.STARTING:
                self._on_starting(self._process)
        return self.record != before

    def terminate(self) -> None:
        """Ask the process to stop."""
        if self._process is not None:
            self._process.send(signal.SIGTERM)

    def finish(self, deadline: float) -> None:
        """Wait for the process until `time.monotonic()` passes `deadline`, then kill it."""
        if self._process is None:
            return
        self._process.wait(deadline - time.monotonic())
        self._process.kill()
        self.store.tidy(self.ports)

    @property
    def _log(self) -> Path:
        return self.store.layout.log(self.store.name)

    def _run(self) -> None:
        self.store.folder.mkdir(parents=True, exist_ok=True)
        wanted = {name: self._preferred(name, usual) for name, usual in self.store.ports.items()}
        self.ports = choose(wanted, self.store.companion)
        self.store.tidy(self.ports)
        command, environment = self.store.command(self.ports), self.store.environment()
        self._process = ChildProcess.start(command, output=self._log, environment=environment, folder=self.store.folder)

    def _preferred(self, name: str, usual: Iterable[int]) -> list[int]:
        return [self.ports[name], *usual] if name in self.ports else list(usual)

    def _on_starting(self, process: ChildProcess) -> None:
        if self._is_well(process.pid):
            self.state, self.detail = StoreState.RUNNING, ""
            self._starts.forget()
        elif time.monotonic() > self._deadline:
            process.stop(seconds=5)
            self._fail(f"did not answer within {START_SECONDS:.0f} s of its start")

    def _is_well(self, pid: int) -> bool:
        if not answers(self.ports["main"]):
            return False
        with suppress(Exception):  # a store that is coming up may refuse, hang up or talk nonsense
            return self.store.is_well(self.ports, pid)
        return False

    def _on_exit(self, how: str) -> None:
        if self.state is StoreState.RUNNING:
            now, last = time.monotonic(), self._last_death
            self._last_death = now
            given_up = self._restarts.died(now, since=last) is None
            reason = f"{how}, for the second time within {DEATHS_WINDOW / 60:.0f} minutes"
        else:
            given_up = self._starts.died(time.monotonic()) is None
            reason = f"{how} while it started, {self._starts.deaths} times"
        if given_up:
            self._fail(reason)
        else:
            self.detail = f"restarted, since the last process {how}"
            self.start()

    def _fail(self, reason: str) -> None:
        self.state = StoreState.FAILED
        self.detail = f"{reason}; its last words: {last_lines(self._log) or 'none'}"
        self.store.tidy(self.ports)


def _describe(status: int) -> str:
    return f"was killed by {signal.Signals(-status).name}" if status < 0 else f"exited with status {status}"
