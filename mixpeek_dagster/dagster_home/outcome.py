"""What became of a run, wherever it ran."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CheckOutcome:
    """A check's verdict as Dagster recorded it."""

    name: str
    passed: bool
    severity: str
    message: str


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended; `error` is None after success."""

    run_id: str
    success: bool
    checks: tuple[CheckOutcome, ...]
    error: str | None = None
