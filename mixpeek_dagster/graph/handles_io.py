"""IO manager for what one step hands to the next on the same machine: a small handle in a file."""

# No postponed annotations here: Dagster reads those of resources.

import pickle
from typing import Any

import dagster as dg
from upath import UPath

from mixpeek_dagster.migrations.handles import HandleUnpickler


class HandlesIOManager(dg.UPathIOManager):
    """Keeps each handle under its run and step; it also reads those of runs that failed before an upgrade.

    Args:
        base_dir: the folder of all runs' handles.
    """

    def __init__(self, base_dir: str) -> None:
        super().__init__(base_path=UPath(base_dir))

    def dump_to_path(self, context: dg.OutputContext, obj: Any, path: UPath) -> None:
        with path.open("wb") as file:
            pickle.dump(obj, file, pickle.HIGHEST_PROTOCOL)

    def load_from_path(self, context: dg.InputContext, path: UPath) -> Any:
        """Handles of earlier code, too, whose classes have moved since."""
        with path.open("rb") as file:
            return HandleUnpickler(file).load()
