"""Files that several processes share: written whole or not at all, owned through locks of the kernel."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

LOG_BYTES = 10 * 2**20


def write_atomically(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Write a file so that readers and crashes see the old or the new content."""
    draft = path.with_name(f".{path.name}.new")
    with suppress(FileNotFoundError):
        draft.unlink()
    draft.touch(mode, exist_ok=False)
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames and new files in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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


def open_log(path: Path) -> IO[bytes]:
    """A log file to append to; a large one is put aside first, in place of an older one."""
    if path.exists() and path.stat().st_size > LOG_BYTES:
        path.replace(path.with_name(f"{path.name}.1"))
    return path.open("ab")


def last_lines(path: Path, count: int = 5) -> str:
    """The end of a log, on one line."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 4096))
        lines = file.read().decode(errors="replace").splitlines()
    return " | ".join(line.strip() for line in lines[-count:] if line.strip())
