"""Places for rows between the steps of a run: a folder of this machine, or whatever else keeps parts by name."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa


class Spool(Protocol):
    """Parts of one step's rows, by name."""

    @property
    def name(self) -> str:
        """Name of the step."""
        ...

    def write(self, part: str, table: pa.Table) -> None:
        """Keep a part; one of that name is replaced."""
        ...

    def read(self, part: str) -> pa.Table:
        """A part."""
        ...

    def clear(self) -> None:
        """Delete all parts; there may be none."""
        ...


@dataclass(frozen=True)
class FolderSpool:
    """A folder with one Arrow file per part, read by mapping it into memory."""

    folder: Path

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.folder.name

    def write(self, part: str, table: pa.Table) -> None:
        """Keep a part."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with pa.OSFile(str(self._path(part)), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)

    def read(self, part: str) -> pa.Table:
        """A part; its file stays mapped as long as the table or a view of it lives."""
        with pa.memory_map(str(self._path(part))) as file:
            return pa.ipc.open_file(file).read_all()

    def clear(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, part: str) -> Path:
        return self.folder / f"{part}.arrow"
