"""A plugin cannot be used."""

from __future__ import annotations

from typing import Any

from mixpeek_dagster.errors.base import MixpeekError
from mixpeek_dagster.errors.codes import ErrorCategory, ErrorCode


class PluginError(MixpeekError):
    """A plugin cannot be used."""

    code = ErrorCode.PLUGIN_INVALID
    category = ErrorCategory.VALIDATION


class ManifestError(PluginError):
    """A plugin's manifest breaks the contract."""

    code = ErrorCode.MANIFEST_INVALID


class PluginLoadError(PluginError):
    """A plugin's code does not import."""

    code = ErrorCode.PLUGIN_LOAD_FAILED
    category = ErrorCategory.DEPENDENCY


class PipelineError(PluginError):
    """A plugin's `build_steps` does not give usable steps."""

    code = ErrorCode.PIPELINE_INVALID


class ArchiveError(PluginError):
    """A plugin's archive cannot be unpacked safely."""

    code = ErrorCode.ARCHIVE_INVALID


class PluginRejected(PluginError):
    """Validation of an uploaded plugin found errors.

    Args:
        validation_errors: every problem found, JSON-ready.
    """

    code = ErrorCode.PLUGIN_REJECTED
    details = ("validation_errors",)

    def __init__(self, what: str, *, validation_errors: list[dict[str, Any]], why: str = "", fix: str = "") -> None:
        self.validation_errors = validation_errors
        super().__init__(what, why=why, fix=fix)

    def to_dict(self) -> dict[str, Any]:
        """The error as JSON-ready fields, every problem among them."""
        return super().to_dict() | {"validation_status": "failed"}
