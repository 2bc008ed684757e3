"""Handles on spooled rows that earlier code has pickled: a failed run is taken up though its classes have moved."""

from __future__ import annotations

import pickle
from typing import Any

_MOVED = {
    "mixpeek_dagster.engine.rows": "mixpeek_dagster.rows.rows",
    "mixpeek_dagster.engine.runner": "mixpeek_dagster.steps.runner",
    "mixpeek_dagster.engine.spool": "mixpeek_dagster.rows.spool",
    "mixpeek_dagster.storage.spools": "mixpeek_dagster.objects.spools",
}
"""Modules by the names that they had. Handles are kept for a week, so a line may go with the release after its own."""


class HandleUnpickler(pickle.Unpickler):
    """Finds classes where they are now."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        """Looked up where it is now, if it has moved."""
        return super().find_class(_MOVED.get(module_name, module_name), global_name)
