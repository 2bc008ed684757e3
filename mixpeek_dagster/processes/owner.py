"""Whom services work for: they outlive the deployer that started them, and end with the program that owns them all."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Mapping

import psutil

OWNER = "MIXPEEK_SERVE_OWNER"
_LOOK_SECONDS = 0.5


def owner_variables(pid: int | None = None) -> dict[str, str]:
    """Variables that name a process, this one if none is given, as the owner of what gets them."""
    process = psutil.Process(pid)
    return {OWNER: f"{process.pid}:{process.create_time()}"}


def inherited_owner(environment: Mapping[str, str]) -> dict[str, str]:
    """The owner that this process was given itself, else this process."""
    return {OWNER: environment[OWNER]} if OWNER in environment else owner_variables()


def end_with_owner() -> None:
    """End this process, with a chance to tidy up, when the process that its environment names has ended."""
    if owner := os.environ.get(OWNER):
        pid, _, started = owner.partition(":")
        watch = threading.Thread(target=_watch, args=(int(pid), float(started)), name="end_with_owner", daemon=True)
        watch.start()


def is_running(pid: int, started: float) -> bool:
    """Whether the process that had this id at that time still runs."""
    try:
        process = psutil.Process(pid)
        return bool(process.create_time() == started) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _watch(pid: int, started: float) -> None:
    while is_running(pid, started):
        time.sleep(_LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
