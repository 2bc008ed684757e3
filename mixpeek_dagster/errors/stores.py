"""A store cannot be used, or not by this code."""

from __future__ import annotations

from mixpeek_dagster.errors.base import MixpeekError
from mixpeek_dagster.errors.codes import ErrorCategory, ErrorCode


class StoreError(MixpeekError):
    """A store cannot be used."""

    code = ErrorCode.STORE_ERROR
    category = ErrorCategory.RESOURCE


class StoreUnavailable(StoreError):
    """A store does not answer; it may do so later."""

    code = ErrorCode.STORE_UNAVAILABLE
    category = ErrorCategory.NETWORK
    retryable = True


class StoreInUse(StoreError):
    """Another process owns the store or the home folder."""

    code = ErrorCode.STORE_IN_USE


class StoreNotInstalled(StoreError):
    """The program behind an embedded store is not installed."""

    code = ErrorCode.STORE_NOT_INSTALLED
    category = ErrorCategory.DEPENDENCY


class SchemaTooNew(StoreError):
    """Stored data was written by later code than this."""

    code = ErrorCode.SCHEMA_TOO_NEW

    @classmethod
    def of(cls, what: str, *, found: int, known: int) -> SchemaTooNew:
        """The error of stored data that says version `found`, where `known` is the latest that this code knows."""
        why = f"it is of schema version {found}, and this code knows versions up to {known}"
        return cls(what, why=why, fix="Use the mixpeek-dagster that wrote it, or a later one; nothing was changed")
