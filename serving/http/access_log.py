"""One line of JSON for each request: never what was in it, nor what was answered."""

from __future__ import annotations

import functools
import logging
import re
import sys
from datetime import UTC, datetime

import orjson

from mixpeek_dagster.ids import Prefix, new_id

_SANE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+=-]{0,127}")
_LONGEST_PATH = 200


def request_id(given: str | None) -> str:
    """The id that the client gave its request, if it can be printed safely; else a new one."""
    return given if given and _SANE.fullmatch(given) else new_id(Prefix.REQUEST)


def log_request(
    request: str, method: str, path: str, status: int, seconds: float, received: int, sent: int, retry: str | None
) -> None:
    """Write the line.

    Args:
        request: its id.
        method: of HTTP.
        path: without the query, which may hold anything.
        status: of the reply; 499 = the client had gone.
        seconds: that it took.
        received: bytes of the body.
        sent: bytes of the reply's body.
        retry: when the client was told to come again.
    """
    line = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "event": "request",
        "request_id": request,
        "method": method,
        "path": path[:_LONGEST_PATH],
        "status": status,
        "milliseconds": round(seconds * 1000, 2),
        "bytes_in": received,
        "bytes_out": sent,
    }
    if retry is not None:
        line["retry_after"] = retry
    _logger().info(orjson.dumps(line).decode())


@functools.cache
def _logger() -> logging.Logger:
    logger = logging.getLogger("serving.access")
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    # BentoML's handlers would decorate the line.
    logger.propagate = False
    return logger
