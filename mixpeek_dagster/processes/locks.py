"""Locks of the kernel on files: whoever dies gives them back."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import IO


def try_lock(path: Path, *, shared: bool = False) -> IO[str] | None:
    """An open file that holds a lock on `path`, or None when another holder excludes it.

    The lock ends when the file is closed, also by the death of the process. The descriptor is not inherited by
    programs that this process runs.
    """
    file = path.open("a+")
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def wait_lock(path: Path, deadline: float, *, shared: bool = False, pause: float = 0.02) -> IO[str] | None:
    """Like `try_lock`, again and again until `time.monotonic()` passes `deadline`."""
    while (file := try_lock(path, shared=shared)) is None:
        if time.monotonic() >= deadline:
            return None
        time.sleep(pause)
    return file


def is_locked(path: Path) -> bool:
    """Whether some process holds an exclusive lock on `path`."""
    if not path.exists():
        return False
    file = try_lock(path, shared=True)
    if file is None:
        return True
    file.close()
    return False


def claim(file: IO[str]) -> None:
    """Write this process's id into a lock file that it holds."""
    file.seek(0)
    file.truncate()
    file.write(f"{os.getpid()}\n")
    file.flush()


def claimant(path: Path) -> int | None:
    """Process id in a lock file; of use only while the lock is held."""
    try:
        return int(path.read_text())
    except (FileNotFoundError, ValueError):
        return None
