"""A step cannot run."""

from __future__ import annotations

from mixpeek_dagster.errors.base import MixpeekError
from mixpeek_dagster.errors.codes import ErrorCategory, ErrorCode


class StepError(MixpeekError):
    """A step cannot run at all, whatever the rows."""

    code = ErrorCode.STEP_FAILED


class OutOfMemory(MixpeekError):
    """An input needs more memory than there is."""

    code = ErrorCode.OUT_OF_MEMORY
    category = ErrorCategory.RESOURCE
