"""Whom services work for: they outlive the deployer that started them, and end with the program that owns them all."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Mapping

from mixpeek_dagster.processes.identity import ProcessIdentity

OWNER = "MIXPEEK_SERVE_OWNER"
_LOOK_SECONDS = 0.5


def owner_variables(owner: ProcessIdentity) -> dict[str, str]:
    """Variables that name a process of this machine as the owner of what gets them."""
    return {OWNER: owner.local_text}


def inherited_owner(environment: Mapping[str, str]) -> ProcessIdentity:
    """The owner that this process was given itself, else this process."""
    return ProcessIdentity.from_text(environment[OWNER]) if OWNER in environment else ProcessIdentity.own()


def end_with_owner() -> None:
    """End this process, with a chance to tidy up, when the process that its environment names has ended."""
    if text := os.environ.get(OWNER):
        owner = ProcessIdentity.from_text(text)
        threading.Thread(target=_watch, args=(owner,), name="end_with_owner", daemon=True).start()


def _watch(owner: ProcessIdentity) -> None:
    while owner.is_running:
        time.sleep(_LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
