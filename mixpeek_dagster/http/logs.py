"""Logs of our servers: one JSON object per line, never a key or a body."""

from __future__ import annotations

import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

import orjson
from starlette.types import Scope

from mixpeek_dagster.http.request_id import id_of

_log = logging.getLogger("mixpeek.http")


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        return orjson.dumps(fields, default=str).decode()


def log_to_stderr() -> None:
    """Send the events of this process's server to standard error; until then they go nowhere."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    _log.handlers = [handler]
    _log.setLevel(logging.INFO)
    # Handlers of others, such as BentoML's, would decorate the line.
    _log.propagate = False


def log_event(event: str, **fields: Any) -> None:
    """Note that something happened."""
    _log.info(event, extra={"fields": fields})


def log_failure(scope: Scope, error: Exception) -> None:
    """Note an error of ours, with its traceback."""
    about = {"request_id": id_of(scope), "path": scope["path"], "error": type(error).__name__}
    text = "".join(traceback.format_exception(error))
    _log.error("request failed", extra={"fields": {**about, "traceback": text}})
