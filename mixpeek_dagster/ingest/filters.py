"""Which of a bucket's keys count."""

from __future__ import annotations

import fnmatch

from mixpeek_dagster.catalog.records import Sync
from mixpeek_dagster.ingest.mime import detect_mime


def wanted(sync: Sync, key: str, size_bytes: int) -> bool:
    """Whether an object is taken up, by its key below the bucket's prefix and its size."""
    if not key or key.endswith("/") or size_bytes > sync.max_object_bytes:
        return False
    if sync.include and not _matches(key, sync.include):
        return False
    return not _matches(key, sync.exclude) and _type_matches(sync, key)


def _matches(key: str, globs: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(key, glob) for glob in globs)


def _type_matches(sync: Sync, key: str) -> bool:
    return not sync.mime_types or _matches(detect_mime(key, b""), sync.mime_types)
