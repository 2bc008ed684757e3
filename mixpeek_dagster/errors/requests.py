"""What is asked for does not exist, is taken, makes no sense or is not allowed."""

from __future__ import annotations

from mixpeek_dagster.errors.base import MixpeekError
from mixpeek_dagster.errors.codes import ErrorCategory, ErrorCode


class NotFound(MixpeekError):
    """A record, object or model does not exist."""

    code = ErrorCode.NOT_FOUND
    category = ErrorCategory.VALIDATION


class ModelNotFound(NotFound):
    """A model is not on this machine, and cannot be fetched."""

    code = ErrorCode.MODEL_NOT_FOUND


class AlreadyExists(MixpeekError):
    """A name is taken."""

    code = ErrorCode.ALREADY_EXISTS
    category = ErrorCategory.VALIDATION


class InUse(MixpeekError):
    """Something else needs it."""

    code = ErrorCode.IN_USE
    category = ErrorCategory.VALIDATION


class InvalidRequest(MixpeekError):
    """A command or argument makes no sense here."""

    code = ErrorCode.INVALID_REQUEST
    category = ErrorCategory.VALIDATION


class Unauthorized(MixpeekError):
    """No API key, or one that is not valid."""

    code = ErrorCode.UNAUTHORIZED
    category = ErrorCategory.AUTHENTICATION


class Forbidden(MixpeekError):
    """The API key may not do this."""

    code = ErrorCode.FORBIDDEN
    category = ErrorCategory.AUTHENTICATION
