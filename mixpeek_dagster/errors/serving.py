"""A realtime endpoint cannot be served."""

from __future__ import annotations

from mixpeek_dagster.errors.base import MixpeekError
from mixpeek_dagster.errors.codes import ErrorCode


class ServingError(MixpeekError):
    """A realtime endpoint cannot be served."""

    code = ErrorCode.SERVING_FAILED
