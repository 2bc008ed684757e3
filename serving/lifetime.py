"""Ending with one's parent, so that a killed parent leaves no server behind."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time

_PR_SET_PDEATHSIG = 1
_LOOK_SECONDS = 0.5


def end_with_parent(parent: int) -> None:
    """End this process, with a chance to tidy up, when `parent` is no longer its parent."""
    threading.Thread(target=_watch, args=(parent,), name="end_with_parent", daemon=True).start()


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends; where it cannot, end it soon after."""
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # The parent may have ended before the kernel was asked.
    end_with_parent(parent)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
