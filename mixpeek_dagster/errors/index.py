"""The vector index does not take points."""

from __future__ import annotations

from mixpeek_dagster.errors.base import MixpeekError
from mixpeek_dagster.errors.codes import ErrorCategory, ErrorCode


class VectorClash(MixpeekError):
    """A vector name is already held with another size or distance."""

    code = ErrorCode.VECTOR_CLASH
    category = ErrorCategory.VALIDATION


class IndexWriteError(MixpeekError):
    """Points could not be written to the vector index."""

    code = ErrorCode.INDEX_WRITE_FAILED
    category = ErrorCategory.NETWORK


class TransientWriteError(IndexWriteError):
    """The vector index did not answer: trying again may help."""

    code = ErrorCode.INDEX_UNAVAILABLE
    retryable = True
