"""Ray reads its token once in a process; a test needs it read again."""

from __future__ import annotations


def read_token() -> None:
    """Let Ray look at the variables again: another test may have imported it before they were set."""
    from ray._raylet import AuthenticationTokenLoader, Config

    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()
