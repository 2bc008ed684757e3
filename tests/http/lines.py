"""Lines of a server's log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from tests.waiting import wait_until

FIELDS = {"time", "level", "event", "request_id", "method", "path", "status", "milliseconds", "bytes_in", "bytes_out"}
"""What the line of every request has, whichever server wrote it."""


def lines_of(log: Path, request_id: str, event: str = "request") -> list[dict[str, Any]]:
    """What the log tells of a request; it is written after the reply."""

    def read() -> list[dict[str, Any]]:
        # A line that is not whole yet ends in no newline.
        whole, _, _ = log.read_bytes().rpartition(b"\n")
        found = [orjson.loads(line) for line in whole.splitlines() if line.startswith(b"{") and line.endswith(b"}")]
        return [line for line in found if line.get("request_id") == request_id and line["event"] == event]

    wait_until(read)
    return read()


def line_of(log: Path, request_id: str) -> dict[str, Any]:
    """The one line of a request."""
    (line,) = lines_of(log, request_id)
    return line
