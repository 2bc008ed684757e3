"""Which process on which machine: its number alone would be another's after a while."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from functools import cache

import psutil


@cache
def this_machine() -> str:
    """This machine's name, the same as long as this process lives."""
    return socket.gethostname()


@dataclass(frozen=True)
class ProcessIdentity:
    """A process for good, also where its number has been given to another one since.

    Args:
        host: name of its machine.
        pid: its number there.
        started: when it began, in seconds since 1970 as the machine's system counts them; kept to hundredths.
    """

    host: str
    pid: int
    started: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "started", round(self.started, 2))

    @classmethod
    def own(cls) -> ProcessIdentity:
        return cls.of(psutil.Process().pid)

    @classmethod
    def of(cls, pid: int) -> ProcessIdentity:
        """The process that has this number on this machine now.

        Raises:
            psutil.NoSuchProcess: there is none.
        """
        return cls(this_machine(), pid, psutil.Process(pid).create_time())

    @classmethod
    def from_text(cls, text: str) -> ProcessIdentity:
        """What `str` made of one: `host:pid:started`. Without a host it is of this machine.

        Raises:
            ValueError: it is no such text.
        """
        place, _, started = text.rpartition(":")
        host, _, pid = place.rpartition(":")
        return cls(host or this_machine(), int(pid), float(started))

    def __str__(self) -> str:
        return f"{self.host}:{self.local_text}"

    @property
    def local_text(self) -> str:
        """`pid:started`, for what never leaves this machine: its name may change before this is read."""
        return f"{self.pid}:{self.started:.2f}"

    @property
    def is_running(self) -> bool:
        """Whether it is known to run: it is of this machine and has not ended, whether waited for or not."""
        return self.host == this_machine() and self._is_there()

    @property
    def is_gone(self) -> bool:
        """Whether it is known to have ended; of a process elsewhere nothing is known."""
        return self.host == this_machine() and not self._is_there()

    @property
    def has_successor(self) -> bool:
        """Whether its number is another process's on this machine."""
        try:
            return not self._matches(psutil.Process(self.pid))
        except psutil.NoSuchProcess:
            return False

    def _is_there(self) -> bool:
        try:
            process = psutil.Process(self.pid)
            return self._matches(process) and bool(process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False

    def _matches(self, process: psutil.Process) -> bool:
        return bool(round(process.create_time(), 2) == self.started)


def lease_owner() -> str:
    """A name for this process as the holder of one lease, never given twice: its identity and a random part."""
    return f"{ProcessIdentity.own()}:{os.urandom(4).hex()}"


def owner_is_gone(owner: str) -> bool:
    """Whether a lease's holder is a process of this machine that has ended; of others only their lease says so."""
    return ProcessIdentity.from_text(owner.rpartition(":")[0]).is_gone
