"""The version that everything stored says of its own shape. What says none is of version 0."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mixpeek_dagster.errors import SchemaTooNew

FIELD = "schema_version"


def require_known(what: str, stored: Mapping[str, Any], known: int) -> int:
    """The version of something stored.

    Args:
        what: names it in the error.
        stored: its fields.
        known: the latest version that the caller can read.

    Raises:
        SchemaTooNew: later code wrote it.
    """
    found = int(stored.get(FIELD, 0))
    if found > known:
        raise SchemaTooNew(what, found=found, known=known)
    return found
