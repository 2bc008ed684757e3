"""Ray reads its token once in a process; a test needs it read again."""

from __future__ import annotations

from typing import Any


def read_token() -> None:
    """Let Ray look at the variables again: another test may have imported it before they were set."""
    from ray import _raylet

    ray: Any = _raylet  # an extension module without types
    ray.Config.initialize("")
    ray.AuthenticationTokenLoader.instance().reset_cache()
