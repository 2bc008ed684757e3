"""IO manager for what one step hands to the next on the same machine: a small handle in a file."""

# No postponed annotations here: Dagster reads those of resources.

from typing import Any

import dagster as dg
from dagster._core.storage.fs_io_manager import PickledObjectFilesystemIOManager

from mixpeek_dagster.migrations.handles import HandleUnpickler


class HandlesIOManager(dg.FilesystemIOManager):
    """Dagster's own, which also reads the handles of runs that failed before an upgrade."""

    def create_io_manager(self, context: dg.InitResourceContext) -> PickledObjectFilesystemIOManager:
        """The manager of a run."""
        return _Handles(base_dir=self.base_dir)  # type: ignore[no-untyped-call]


class _Handles(PickledObjectFilesystemIOManager):
    def load_from_path(self, context: dg.InputContext, path: Any) -> Any:
        with path.open("rb") as file:
            return HandleUnpickler(file).load()
