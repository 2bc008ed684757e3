"""Memory that nobody uses goes back to the system."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable


def release_unused() -> None:
    """Let the C library give back what models have freed; does nothing where it cannot.

    Models allocate tensors of a new size with almost every batch. glibc keeps the holes, and without this a process
    grows by some 60 MB per 1,000 texts.
    """
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


@functools.cache
def _malloc_trim() -> Callable[[int], int] | None:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return None
