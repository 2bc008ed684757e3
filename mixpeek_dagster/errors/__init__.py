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

from mixpeek_dagster.errors.base import MixpeekError, all_kinds, from_dict
from mixpeek_dagster.errors.codes import ErrorCategory, ErrorCode
from mixpeek_dagster.errors.index import IndexWriteError, TransientWriteError, VectorClash
from mixpeek_dagster.errors.plugins import (
    ArchiveError,
    ManifestError,
    PipelineError,
    PluginError,
    PluginLoadError,
    PluginRejected,
)
from mixpeek_dagster.errors.requests import (
    AlreadyExists,
    Forbidden,
    InUse,
    InvalidRequest,
    ModelNotFound,
    NotFound,
    Unauthorized,
)
from mixpeek_dagster.errors.serving import ServingError
from mixpeek_dagster.errors.setup import ExtraNotInstalled, SettingsError
from mixpeek_dagster.errors.steps import OutOfMemory, StepError
from mixpeek_dagster.errors.stores import SchemaTooNew, StoreError, StoreInUse, StoreNotInstalled, StoreUnavailable

__all__ = [
    "AlreadyExists",
    "ArchiveError",
    "ErrorCategory",
    "ErrorCode",
    "ExtraNotInstalled",
    "Forbidden",
    "InUse",
    "IndexWriteError",
    "InvalidRequest",
    "ManifestError",
    "MixpeekError",
    "ModelNotFound",
    "NotFound",
    "OutOfMemory",
    "PipelineError",
    "PluginError",
    "PluginLoadError",
    "PluginRejected",
    "SchemaTooNew",
    "ServingError",
    "SettingsError",
    "StepError",
    "StoreError",
    "StoreInUse",
    "StoreNotInstalled",
    "StoreUnavailable",
    "TransientWriteError",
    "Unauthorized",
    "VectorClash",
    "all_kinds",
    "from_dict",
]
