"""What runs leave behind: rows between steps, kept after a failure so that a run can be taken up where it stopped."""

from __future__ import annotations

from mixpeek_dagster.objects.spools import sweep_object_spools
from mixpeek_dagster.rows.spool import HANDLES, KEPT_SECONDS, sweep_spools
from mixpeek_dagster.stores import Stores

__all__ = ["HANDLES", "sweep_all_spools", "sweep_spools"]


def sweep_all_spools(stores: Stores) -> int:
    """Delete what runs of a week ago have left on this machine, and in S3 if steps run on a cluster."""
    swept = sweep_spools(stores.settings.spool_path)
    if stores.settings.ray_address:
        swept += sweep_object_spools(stores.objects, kept_seconds=KEPT_SECONDS)
    return swept
