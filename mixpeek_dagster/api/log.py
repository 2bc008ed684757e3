"""The API's log: one JSON object per line, never a key or a body."""

from __future__ import annotations

import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

import orjson
from starlette.requests import HTTPConnection

_log = logging.getLogger("mixpeek.api")


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        return orjson.dumps(fields, default=str).decode()


def log_to_stderr() -> None:
    """Send the API's events to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    _log.handlers = [handler]
    _log.setLevel(logging.INFO)
    _log.propagate = False


def log_event(event: str, **fields: Any) -> None:
    """Note that something happened."""
    _log.info(event, extra={"fields": fields})


def log_failure(request: HTTPConnection, error: Exception) -> None:
    """Note an error of ours, with its traceback."""
    where = {"request_id": getattr(request.state, "request_id", ""), "path": request.url.path}
    text = "".join(traceback.format_exception(error))
    _log.error("request failed", extra={"fields": {**where, "error": type(error).__name__, "traceback": text}})
