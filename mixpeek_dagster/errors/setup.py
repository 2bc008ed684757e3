"""What is set or installed here is not enough."""

from __future__ import annotations

from mixpeek_dagster.errors.base import MixpeekError
from mixpeek_dagster.errors.codes import ErrorCategory, ErrorCode


class SettingsError(MixpeekError):
    """A setting is missing or wrong."""

    code = ErrorCode.SETTINGS_INVALID
    category = ErrorCategory.VALIDATION


class ExtraNotInstalled(MixpeekError):
    """A package that one of our extras brings is not installed."""

    code = ErrorCode.EXTRA_NOT_INSTALLED
    category = ErrorCategory.DEPENDENCY
