"""Logs of child processes: appended to, put aside when they are large, and quoted in messages."""

from __future__ import annotations

from pathlib import Path
from typing import IO

LOG_BYTES = 10 * 2**20


def open_log(path: Path) -> IO[bytes]:
    """A log file to append to; a large one is put aside first, in place of an older one."""
    path.parent.mkdir(parents=True, exist_ok=True)
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
