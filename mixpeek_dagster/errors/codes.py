"""What callers may match on."""

from __future__ import annotations

from enum import StrEnum


class ErrorCode(StrEnum):
    """Stable codes: callers may match on them, texts may change."""

    SETTINGS_INVALID = "settings_invalid"
    EXTRA_NOT_INSTALLED = "extra_not_installed"
    PLUGIN_INVALID = "plugin_invalid"
    MANIFEST_INVALID = "manifest_invalid"
    PLUGIN_LOAD_FAILED = "plugin_load_failed"
    PIPELINE_INVALID = "pipeline_invalid"
    ARCHIVE_INVALID = "archive_invalid"
    PLUGIN_REJECTED = "plugin_rejected"
    STEP_FAILED = "step_failed"
    OUT_OF_MEMORY = "out_of_memory"
    STORE_ERROR = "store_error"
    STORE_UNAVAILABLE = "store_unavailable"
    STORE_IN_USE = "store_in_use"
    STORE_NOT_INSTALLED = "store_not_installed"
    SCHEMA_TOO_NEW = "schema_too_new"
    NOT_FOUND = "not_found"
    MODEL_NOT_FOUND = "model_not_found"
    ALREADY_EXISTS = "already_exists"
    IN_USE = "in_use"
    INVALID_REQUEST = "invalid_request"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    VECTOR_CLASH = "vector_clash"
    INDEX_WRITE_FAILED = "index_write_failed"
    INDEX_UNAVAILABLE = "index_unavailable"
    SERVING_FAILED = "serving_failed"
    INTERNAL = "internal"


class ErrorCategory(StrEnum):
    """What kind of thing went wrong; the names are Mixpeek's `error_type`."""

    DEPENDENCY = "dependency"
    AUTHENTICATION = "authentication"
    VALIDATION = "validation"
    RUNTIME = "runtime"
    NETWORK = "network"
    RESOURCE = "resource"
