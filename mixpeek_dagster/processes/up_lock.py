"""At most one `mixpeek up` per home folder, and where to find it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mixpeek_dagster.errors import StoreInUse
from mixpeek_dagster.processes.locks import is_locked, try_lock


class UpLock:
    """Held while `mixpeek up` runs; a killed process holds nothing."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._path = home / "run" / "up.lock"

    def __enter__(self) -> Self:
        """Take the lock.

        Raises:
            StoreInUse: another `mixpeek up` holds it.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = try_lock(self._path)
        if file is None:
            running = read_up(self._home)
            raise StoreInUse(
                f"home {str(self._home)!r}",
                why=f"`mixpeek up` already runs on it (pid {running.get('pid', '?')}, {running.get('dagster', '')})",
                fix="Stop that one with Ctrl-C, or set MIXPEEK_HOME to another folder",
            )
        self._file = file
        self.write_urls({})
        return self

    def write_urls(self, urls: dict[str, str]) -> None:
        """Write who holds the lock and where its servers are."""
        self._file.seek(0)
        self._file.truncate()
        self._file.write(json.dumps({"pid": os.getpid(), **urls}))
        self._file.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._file.close()


def read_up(home: Path) -> dict[str, Any]:
    """Pid and URLs of the `mixpeek up` that runs on a home folder; empty if none does."""
    path = home / "run" / "up.lock"
    if not path.exists() or not is_locked(path):
        return {}
    try:
        urls: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError:
        return {}
    return urls
