"""What runs leave on disk: rows between steps, kept after a failure so that a run can be taken up where it stopped."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

HANDLES = "handles"
"""Folder of what Dagster hands from op to op; it has a folder for each run, too."""
_KEPT_SECONDS = 7 * 24 * 3600


def sweep_spools(folder: Path, *, kept_seconds: float = _KEPT_SECONDS) -> int:
    """Delete what has not been written to for so long; returns how many runs' it was."""
    before, swept = time.time() - kept_seconds, 0
    for entry in [*folder.glob("*"), *(folder / HANDLES).glob("*")]:
        if entry.is_dir() and _written_at(entry) < before:
            shutil.rmtree(entry, ignore_errors=True)
            swept += 1
    return swept


def _written_at(folder: Path) -> float:
    times = [folder.stat().st_mtime]
    for entry in folder.rglob("*"):
        try:
            times.append(entry.lstat().st_mtime)
        except FileNotFoundError:
            continue
    return max(times)
