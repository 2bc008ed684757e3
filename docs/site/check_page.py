"""The asset checks on a collection's documents."""

from __future__ import annotations

from docs.site.markdown import code, page, table
from mixpeek_dagster.runs.checks import DESCRIPTIONS, Check, Grade


def check_page() -> str:
    """The page."""
    return page(
        "Asset checks",
        "Every collection's asset `documents` has these checks. All block: if one fails, the run is red and nothing "
        "downstream of it starts.",
        table(("check", "what holds when it passes"), [(code(check.value), DESCRIPTIONS[check]) for check in Check]),
        "Each is judged as one of:",
        table(("grade", "meaning"), [(code(grade.value), _GRADES[grade]) for grade in Grade]),
        "[When each fails and warns](../architecture.md#checks), and [what zero documents mean]"
        "(../architecture.md#zero-documents).",
    )


_GRADES = {
    Grade.PASS: "The run goes on; the check is green.",
    Grade.WARN: "Some rows failed. The run goes on, the check is yellow; the task ends as COMPLETED_WITH_ERRORS and "
    "lists every failed row.",
    Grade.FAIL: "The run is red.",
}
