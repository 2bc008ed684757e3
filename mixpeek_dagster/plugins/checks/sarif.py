"""A check's report in SARIF 2.1.0, which editors and code hosts show at the line.

Source: OASIS Static Analysis Results Interchange Format, version 2.1.0.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mixpeek_dagster.plugins.checks.check import CheckReport
from mixpeek_dagster.plugins.spec import Problem
from mixpeek_dagster.version import __version__

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def to_sarif(report: CheckReport) -> dict[str, Any]:
    """JSON-ready; paths are relative to the working folder where they can be."""
    codes = sorted({problem.code for problem in report.problems})
    driver = {"name": "mixpeek plugin check", "version": __version__, "rules": [{"id": code} for code in codes]}
    results = [_result(problem, codes.index(problem.code)) for problem in report.problems]
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}


def _result(problem: Problem, index: int) -> dict[str, Any]:
    text = f"{problem.message}. {problem.fix}" if problem.fix else problem.message
    location = {
        "artifactLocation": {"uri": _uri(problem.file)},
        "region": {"startLine": problem.line, "startColumn": problem.column},
    }
    return {
        "ruleId": problem.code,
        "ruleIndex": index,
        "level": problem.severity,
        "message": {"text": text},
        "locations": [{"physicalLocation": location}],
    }


def _uri(file: str) -> str:
    path = Path(file)
    if not path.is_absolute():
        return path.as_posix()
    here = Path.cwd()
    return path.relative_to(here).as_posix() if path.is_relative_to(here) else path.as_uri()
