"""What tests ask of the problems that a check has found."""

from __future__ import annotations

from pathlib import Path

from mixpeek_dagster.plugins.checks.check import CheckReport
from mixpeek_dagster.plugins.spec import Problem


def codes(report: CheckReport) -> list[str]:
    return [problem.code for problem in report.problems]


def only(report: CheckReport, code: str) -> Problem:
    (problem,) = [problem for problem in report.problems if problem.code == code]
    return problem


def place(problem: Problem) -> tuple[str, int]:
    return Path(problem.file).name, problem.line
