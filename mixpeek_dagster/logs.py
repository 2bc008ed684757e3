"""Structured logs of our own processes, on standard error."""

from __future__ import annotations

import logging

import structlog

from mixpeek_dagster.settings import Settings


def configure_logging(settings: Settings | None = None) -> None:
    """Key-value lines with time and level; libraries stay at WARNING."""
    level = logging.getLevelNamesMapping()[(settings or Settings.load()).log_level]
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(level),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.dev.ConsoleRenderer(colors=False),
        ],
        logger_factory=structlog.PrintLoggerFactory(),
    )
