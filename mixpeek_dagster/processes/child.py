"""A program that this one starts: in a process group of its own, watched, and ended with all that it has started."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Self

from mixpeek_dagster.processes.identity import ProcessIdentity
from mixpeek_dagster.processes.logs import last_lines, open_log
from mixpeek_dagster.processes.owner import owner_variables
from mixpeek_dagster.processes.parent import die_with_parent

GRACE_SECONDS = 15.0
_PAUSE = 0.05


class ChildProcess:
    """A running program and its process group; as a context manager it is killed at the end of the block.

    Without a `process` it is one that an earlier program started and left: watched by its identity, since only a
    parent can wait for a process.

    Args:
        identity: which process leads the group.
        log: what it prints to.
    """

    def __init__(
        self, identity: ProcessIdentity, log: Path | None = None, process: subprocess.Popen[bytes] | None = None
    ) -> None:
        self.identity = identity
        self.log = log
        self._process = process

    @classmethod
    def start(
        cls,
        command: Sequence[str],
        *,
        output: Path | IO[bytes] | None = None,
        errors: IO[bytes] | None = None,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        pass_fds: Sequence[int] = (),
        owner: ProcessIdentity | None = None,
        outlives_us: bool = False,
    ) -> Self:
        """Run a program and return at once.

        Args:
            output: a log to append to, or an open file; none = what it prints is lost.
            errors: where its errors go; none = where its output goes.
            environment: all of its variables; none = this process's.
            folder: where it works; none = where this process does.
            pass_fds: descriptors that it inherits.
            owner: a process that it ends with, if it calls `end_with_owner`; none = this one, whose death kills it.
                It is the thread that calls this whose end counts.
            outlives_us: whether it goes on after this process, though it has no owner.

        Raises:
            OSError: no process can be started.
        """
        variables = None if environment is None else dict(environment)
        if owner is not None:
            variables = {**(os.environ if variables is None else variables), **owner_variables(owner)}
        log = output if isinstance(output, Path) else None
        with ExitStack() as stack:
            printed = stack.enter_context(open_log(output)) if isinstance(output, Path) else output
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL if printed is None else printed,
                stderr=subprocess.STDOUT if errors is None else errors,
                pass_fds=pass_fds,
                start_new_session=True,
                preexec_fn=None if outlives_us or owner is not None else die_with_parent(),  # noqa: PLW1509 - one system call
            )
        return cls(ProcessIdentity.of(process.pid), log, process)

    @property
    def pid(self) -> int:
        """The process that leads the group; the group has its number, too."""
        return self.identity.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self.identity.is_running if self._process is None else self._process.poll() is None

    @property
    def status(self) -> int | None:
        """How it ended, below 0 by that signal; None while it runs, or when an earlier program started it."""
        return None if self._process is None else self._process.poll()

    def wait(self, seconds: float) -> bool:
        """Wait for its end, but not for ever; returns whether it has ended."""
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(max(0.0, seconds))
            return not self.alive
        return wait_until(lambda: not self.alive, seconds)

    def wait_ready(self, ready: Callable[[], bool], seconds: float, pause: float = _PAUSE) -> bool:
        """Ask whether it is ready until it is, has ended, or the time is up; returns whether it is."""
        was_ready = False

        def settled() -> bool:
            nonlocal was_ready
            if not self.alive:
                return True
            was_ready = ready()
            return was_ready

        wait_until(settled, seconds, pause)
        return was_ready

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the whole group; harmless when nobody is left of it."""
        if self.identity.has_successor:
            return
        # PermissionError is what some systems say of a group of which only zombies are left.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def stop(self, number: signal.Signals = signal.SIGTERM, seconds: float = GRACE_SECONDS) -> None:
        """Ask the group to end, and kill what is left of it when its leader has ended or the time is up."""
        self.send(number)
        self.wait(seconds)
        self.kill()

    def kill(self) -> None:
        """Kill the group, and wait until its leader is gone. Again is harmless."""
        self.send(signal.SIGKILL)
        self.wait(GRACE_SECONDS)

    def last_words(self, count: int = 5) -> str:
        """The end of its log, on one line."""
        return "" if self.log is None else last_lines(self.log, count)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()


@dataclass(frozen=True)
class Finished:
    """A program that has ended: how, below 0 by that signal, and all that it printed."""

    status: int
    output: bytes
    errors: bytes


def run_to_end(command: Sequence[str], seconds: float, *, environment: Mapping[str, str] | None = None) -> Finished:
    """Run a program to its end; nothing that it has started is left then.

    Args:
        environment: all of its variables; none = this process's.

    Raises:
        OSError: no process can be started.
        TimeoutError: it did not end in time, and was killed.
    """
    # Files, since a pipe that is full holds the program up.
    with TemporaryFile() as output, TemporaryFile() as errors:
        with ChildProcess.start(command, output=output, errors=errors, environment=environment) as child:
            child.wait(seconds)
            status = child.status
        if status is None:
            raise TimeoutError(f"it did not end within {seconds:g} s")
        output.seek(0)
        errors.seek(0)
        return Finished(status, output.read(), errors.read())


def wait_until(condition: Callable[[], bool], seconds: float, pause: float = _PAUSE) -> bool:
    """Ask until a condition holds or the time is up; at least once. Returns whether it holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(pause)
    return True
