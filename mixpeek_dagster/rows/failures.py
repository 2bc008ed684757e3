"""Why a row failed: category, message and what to do, read off the exception."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from mixpeek_dagster.errors import ErrorCategory, MixpeekError, ModelNotFound
from mixpeek_dagster.plugins.package import plugin_place
from mixpeek_dagster.rows import columns
from mixpeek_dagster.rows.state import Outcome, RowState
from mixpeek_dagster.rows.transient import NETWORK_MODULES, is_transient, status_of

MAX_MESSAGE = 500
CHECK_SERVICE = "Check that the service answers, then materialize again: only failed rows are redone"
_ADVICE = {
    ErrorCategory.DEPENDENCY: "Install the package or the model where runs execute",
    ErrorCategory.AUTHENTICATION: "Check the key or token that the processor uses",
    ErrorCategory.NETWORK: CHECK_SERVICE,
    ErrorCategory.RESOURCE: "Lower MIXPEEK_BATCH_SIZE or give the run more memory",
    ErrorCategory.VALIDATION: "Mend the processor or the data",
    ErrorCategory.RUNTIME: "Mend the processor for this row, then materialize again: only failed rows are redone",
}


@dataclass(frozen=True)
class RowFailure:
    """A failed row, as it is reported."""

    document_id: str
    object_key: str
    stage: str
    code: str
    category: str
    message: str
    recovery_suggestion: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.object_key}, {self.stage}: {self.message}. {self.recovery_suggestion}"


def failures_of(frame: pd.DataFrame) -> list[RowFailure]:
    """The failed rows of a frame."""
    failed = frame[frame[columns.STATE] == RowState.FAILED.value]
    names = ("document_id", "object_key", columns.STAGE, columns.CODE, columns.CATEGORY, columns.MESSAGE)
    rows = failed[[*names, columns.SUGGESTION]].itertuples(index=False, name=None)
    return [RowFailure(*(str(value) for value in row)) for row in rows]


def failure(
    stage: str, code: str, message: str, suggestion: str, category: ErrorCategory = ErrorCategory.VALIDATION
) -> Outcome:
    """A failure that we found ourselves."""
    return Outcome(RowState.FAILED, stage, code, message[:MAX_MESSAGE], category, suggestion)


def failure_of(error: BaseException, stage: str, known_columns: Sequence[str]) -> Outcome:
    """A failure from what a processor raised.

    Args:
        error: the exception.
        stage: the step.
        known_columns: what the processor could have read.
    """
    place = plugin_place(error)
    error = _missing_model(error) or error
    category = _category(error, known_columns)
    text = " ".join(str(error).split())
    message = f"{type(error).__name__}: {text}" + (f" ({place})" if place else "")
    code = error.code.value if isinstance(error, MixpeekError) else f"raised_{type(error).__name__}"
    return failure(stage, code, message, _advice(error, category, known_columns), category)


def _missing_model(error: BaseException) -> ModelNotFound | None:
    """The missing model behind a library's error, which only says that it could not connect."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ModelNotFound):
        cause = cause.__cause__
    return cause


def _category(error: BaseException, known_columns: Sequence[str]) -> ErrorCategory:
    if isinstance(error, MixpeekError):
        return error.category
    if isinstance(error, ImportError):
        return ErrorCategory.DEPENDENCY
    if status_of(error) in (401, 403) or isinstance(error, PermissionError):
        return ErrorCategory.AUTHENTICATION
    if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
        return ErrorCategory.RESOURCE
    if is_transient(error) or type(error).__module__.split(".")[0] in NETWORK_MODULES:
        return ErrorCategory.NETWORK
    missing_column = isinstance(error, KeyError) and error.args and error.args[0] not in known_columns
    return ErrorCategory.VALIDATION if missing_column else ErrorCategory.RUNTIME


def _advice(error: BaseException, category: ErrorCategory, known_columns: Sequence[str]) -> str:
    if isinstance(error, MixpeekError) and error.fix:
        return error.fix
    if isinstance(error, KeyError) and category is ErrorCategory.VALIDATION:
        listed = ", ".join(known_columns)
        return f"There is no column {error.args[0]!r}. Columns: {listed}. Content is always in 'data'"
    return _ADVICE[category]
