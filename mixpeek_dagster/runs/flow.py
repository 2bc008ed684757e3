"""What one step of a collection's run hands to the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mixpeek_dagster.rows.rows import Rows
from mixpeek_dagster.steps.runner import StepReport


@dataclass(frozen=True)
class Flow:
    """Rows on their way through the steps, with what each step reported so far."""

    rows: Rows
    fetched: int = 0
    reports: tuple[StepReport, ...] = ()

    def after(self, rows: Rows, report: StepReport) -> Flow:
        """The flow one step further."""
        return replace(self, rows=rows, reports=(*self.reports, report))

    def producers(self) -> Mapping[str, frozenset[str]]:
        """Which steps wrote each vector column."""
        written: dict[str, set[str]] = {}
        for report in self.reports:
            for vector in report.vectors_written:
                written.setdefault(vector, set()).add(report.step)
        return {vector: frozenset(steps) for vector, steps in written.items()}


def step_metadata(report: StepReport) -> dict[str, Any]:
    """A step's report as Dagster metadata."""
    metadata: dict[str, Any] = {
        "rows_in": report.rows_in,
        "rows_matched": report.rows_matched,
        "rows_out": report.rows_out,
        "rows_failed": report.rows_failed,
        "seconds": round(report.seconds, 3),
        "rows_per_second": round(report.rows_per_second, 1),
        "columns_added": ", ".join(report.columns_added),
        **report.counters,
    }
    if report.warnings:
        metadata["warnings"] = "; ".join(report.warnings)
    return metadata
