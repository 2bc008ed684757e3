"""Everything that is wrong with a plugin, collected so that it can be said at once."""

from __future__ import annotations

from pathlib import Path

from mixpeek_dagster.errors import ManifestError
from mixpeek_dagster.plugins.source_map import Place, SourceMap
from mixpeek_dagster.plugins.spec import Problem


class Problems:
    """Collects the problems of one file."""

    def __init__(self, file: Path, at: SourceMap) -> None:
        self.file = file
        self.at = at
        self.found: list[Problem] = []

    def error(self, code: str, message: str, fix: str = "", place: Place = (1, 1)) -> None:
        """Something that must be mended."""
        self.found.append(Problem("error", code, message, fix, str(self.file), *place))

    def warn(self, code: str, message: str, fix: str = "", place: Place = (1, 1)) -> None:
        """Something that may be meant, but often is not."""
        self.found.append(Problem("warning", code, message, fix, str(self.file), *place))


def raise_errors(problems: list[Problem], name: str) -> None:
    """Raise if there is an error among the problems.

    Raises:
        ManifestError: lists all of them.
    """
    errors = [problem for problem in problems if problem.severity == "error"]
    if not errors:
        return
    if len(errors) == 1:
        (only,) = errors
        raise ManifestError(only.message, where=f"{only.file}:{only.line}", fix=only.fix)
    lines = "\n".join(f"  {problem.file}:{problem.line}: {problem.message}. {problem.fix}" for problem in errors)
    raise ManifestError(f"manifest of plugin {name!r}", why=f"{len(errors)} problems:\n{lines}")
