"""Run Mixpeek-style plugins on your own Dagster, Qdrant, MongoDB, S3 and BentoML.

The names in `__all__` are the stable Python API; each is imported when it is first asked for. Modules below this
package may change with any release, and none of them imports from here.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from mixpeek_dagster.version import __version__

if TYPE_CHECKING:
    from mixpeek_dagster.components import CollectionComponent
    from mixpeek_dagster.errors import ErrorCode, MixpeekError
    from mixpeek_dagster.plugins.archive import ArchiveLimits
    from mixpeek_dagster.plugins.checks.check import CheckReport, check_plugin
    from mixpeek_dagster.plugins.checks.sandbox import SandboxLimits
    from mixpeek_dagster.plugins.spec import Problem
    from mixpeek_dagster.settings import Settings

__all__ = [
    "ArchiveLimits",
    "CheckReport",
    "CollectionComponent",
    "ErrorCode",
    "MixpeekError",
    "Problem",
    "SandboxLimits",
    "Settings",
    "__version__",
    "check_plugin",
]

_HOMES = {
    "ArchiveLimits": "plugins.archive",
    "CheckReport": "plugins.checks.check",
    "CollectionComponent": "components",
    "ErrorCode": "errors",
    "MixpeekError": "errors",
    "Problem": "plugins.spec",
    "SandboxLimits": "plugins.checks.sandbox",
    "Settings": "settings",
    "check_plugin": "plugins.checks.check",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it exports {', '.join(__all__)}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
