"""Every error this project raises on purpose. What only steers code within one room is none of these.

MixpeekError
|-- SettingsError            a setting is missing or wrong
|-- ExtraNotInstalled        a package that an extra brings is not installed
|-- PluginError              a plugin cannot be used
|   |-- ManifestError        its manifest breaks the contract
|   |-- PluginLoadError      its code does not import
|   |-- PipelineError        its build_steps does not give usable steps
|   |-- ArchiveError         its archive cannot be unpacked safely
|   `-- PluginRejected       validation found errors
|-- StepError                a step cannot run at all
|-- OutOfMemory              an input needs more memory than there is
|-- StoreError               a store cannot be used
|   |-- StoreUnavailable     it does not answer
|   |-- StoreInUse           another process owns it
|   |-- StoreNotInstalled    its program is not installed
|   `-- SchemaTooNew         what it holds was written by later code than this
|-- NotFound                 a record, object or model does not exist
|   `-- ModelNotFound        a model is not on this machine, and cannot be fetched
|-- AlreadyExists            a name is taken
|-- InUse                    something else needs it
|-- InvalidRequest           a command or argument makes no sense here
|-- Unauthorized             no API key, or one that is not valid
|-- Forbidden                the API key may not do this
|-- VectorClash              a vector name is held with another size or distance
|-- IndexWriteError          points could not be written
|   `-- TransientWriteError  the index did not answer
`-- ServingError             a realtime endpoint cannot be served
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar


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


class MixpeekError(Exception):
    """An error with what failed, why, where, and what to do about it.

    Args:
        what: the thing and its name, e.g. `collection 'talks'`.
        why: why it cannot be.
        fix: what the user can do; lists what exists where a name is unknown.
        where: `file:line`, a field or a row, if there is such a place.
    """

    code: ClassVar[ErrorCode] = ErrorCode.INTERNAL
    category: ClassVar[ErrorCategory] = ErrorCategory.RUNTIME
    retryable: ClassVar[bool] = False

    def __init__(self, what: str, *, why: str = "", fix: str = "", where: str = "") -> None:
        self.what = what
        self.why = why
        self.fix = fix
        self.where = where
        super().__init__(str(self))

    def __str__(self) -> str:
        return f"{self.sentence()} [{self.code.value}]"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.__dict__)

    @property
    def message(self) -> str:
        """What and why, for a reader who is shown the place and the fix beside it."""
        return f"{self.what}: {self.why}" if self.why else self.what

    def sentence(self) -> str:
        """Where, what, why and what to do, for a reader who is shown nothing else."""
        place = f"{self.where}: " if self.where else ""
        remedy = f". {self.fix}" if self.fix else ""
        return f"{place}{self.message}{remedy}"

    def to_dict(self) -> dict[str, Any]:
        """The error as JSON-ready fields, those that are empty left out; `from_dict` reads them."""
        fields = {"code": self.code.value, "what": self.what, "why": self.why, "fix": self.fix, "where": self.where}
        return {key: value for key, value in fields.items() if value}


def _rebuild(kind: type[MixpeekError], state: dict[str, Any]) -> MixpeekError:
    error = kind.__new__(kind)
    error.__dict__.update(state)
    Exception.__init__(error, str(error))
    return error


class SettingsError(MixpeekError):
    """A setting is missing or wrong."""

    code = ErrorCode.SETTINGS_INVALID
    category = ErrorCategory.VALIDATION


class ExtraNotInstalled(MixpeekError):
    """A package that one of our extras brings is not installed."""

    code = ErrorCode.EXTRA_NOT_INSTALLED
    category = ErrorCategory.DEPENDENCY


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

    def __init__(self, what: str, *, validation_errors: list[dict[str, Any]], why: str = "", fix: str = "") -> None:
        self.validation_errors = validation_errors
        super().__init__(what, why=why, fix=fix)

    def to_dict(self) -> dict[str, Any]:
        """The error as JSON-ready fields, every problem among them."""
        return super().to_dict() | {"validation_status": "failed", "validation_errors": self.validation_errors}


class StepError(MixpeekError):
    """A step cannot run at all, whatever the rows."""

    code = ErrorCode.STEP_FAILED


class OutOfMemory(MixpeekError):
    """An input needs more memory than there is."""

    code = ErrorCode.OUT_OF_MEMORY
    category = ErrorCategory.RESOURCE


class StoreError(MixpeekError):
    """A store cannot be used."""

    code = ErrorCode.STORE_ERROR
    category = ErrorCategory.RESOURCE


class StoreUnavailable(StoreError):
    """A store does not answer."""

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
    """Stored data was written by later code than this.

    Args:
        found: the version that it says.
        known: the latest version that this code knows.
    """

    code = ErrorCode.SCHEMA_TOO_NEW

    def __init__(self, what: str, *, found: int, known: int) -> None:
        self.found = found
        self.known = known
        why = f"it is of schema version {found}, and this code knows versions up to {known}"
        fix = "Use the mixpeek-dagster that wrote it, or a later one; nothing was changed"
        super().__init__(what, why=why, fix=fix)


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


class ServingError(MixpeekError):
    """A realtime endpoint cannot be served."""

    code = ErrorCode.SERVING_FAILED


def from_dict(fields: dict[str, Any]) -> MixpeekError:
    """The error whose `to_dict` gave these fields: of the same class, at the other end of a call."""
    kinds = {kind.code.value: kind for kind in all_kinds(MixpeekError) if kind is not PluginRejected}
    texts = {name: str(fields.get(name, "")) for name in ("why", "fix", "where")}
    what = str(fields.get("what", "the request"))
    if fields.get("code") == ErrorCode.PLUGIN_REJECTED.value:
        found = list(fields.get("validation_errors", ()))
        return PluginRejected(what, why=texts["why"], fix=texts["fix"], validation_errors=found)
    return kinds.get(str(fields.get("code")), MixpeekError)(what, **texts)


def all_kinds(kind: type[MixpeekError]) -> list[type[MixpeekError]]:
    """The class and all below it, each before its own subclasses."""
    return [kind, *(found for child in kind.__subclasses__() for found in all_kinds(child))]
