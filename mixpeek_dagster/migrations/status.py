"""Which version is stored, without changing anything."""

from __future__ import annotations

from dataclasses import dataclass

from mixpeek_dagster.catalog.connection import connect
from mixpeek_dagster.migrations.installation import Installation
from mixpeek_dagster.migrations.plan import CURRENT, pending

_TIMEOUT_MS = 3000


@dataclass(frozen=True)
class SchemaStatus:
    """What is stored, against what this code knows.

    Args:
        stored: version of the installation; None if nothing is stored yet.
        known: version that this code works with.
        pending: names of the migrations that the next start goes through.
        under_way: how far an upgrade has come that goes on, or was killed.
    """

    stored: int | None
    known: int
    pending: tuple[str, ...]
    under_way: str = ""

    @property
    def too_new(self) -> bool:
        """Whether later code wrote it."""
        return self.stored is not None and self.stored > self.known


def schema_status(mongodb_url: str, database: str) -> SchemaStatus:
    """Read the version of an installation.

    Raises:
        StoreUnavailable: MongoDB does not answer.
    """
    with connect(mongodb_url, timeout_ms=_TIMEOUT_MS) as client:
        installation = Installation(client[database], mongodb_url)
        record = installation.describe()
        if record is None:
            stored, under_way = (0 if installation.holds_records() else None), ""
        else:
            point = record.get("under_way") or {}
            stored, under_way = int(record["version"]), f"{point['migration']}: {point['point']}" if point else ""
    waiting = () if stored is None else tuple(name for _, name in pending(stored))
    return SchemaStatus(stored, CURRENT, waiting, under_way)
