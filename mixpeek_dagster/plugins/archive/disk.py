"""What the disk says when an archive or its files cannot be written."""

from __future__ import annotations

import errno
from pathlib import Path

from mixpeek_dagster.errors import StoreError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
FILE_MODE = 0o644
FOLDER_MODE = 0o755


def unwritable(folder: Path, error: OSError) -> StoreError:
    """The error to raise for what cannot be written into a folder."""
    full = error.errno in _FULL
    why = "the disk is full" if full else str(error)
    fix = "Free space, or set MIXPEEK_HOME elsewhere" if full else "Check the folder and its permissions"
    return StoreError(f"folder {str(folder)!r}", why=why, fix=fix)
