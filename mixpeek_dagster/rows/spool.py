"""Places for rows between the steps of a run: a folder of this machine, or whatever else keeps parts by name."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import pyarrow as pa

HANDLES = "handles"
"""Folder of what Dagster hands from op to op; it has a folder for each run, too."""
KEPT_SECONDS = 7 * 24 * 3600
"""How long a failed run may still be taken up from where it stopped."""


class Spool(Protocol):
    """Parts of one step's rows, by name."""

    @property
    def name(self) -> str:
        """What logs and handles call it."""
        ...

    def write(self, part: str, table: pa.Table) -> None:
        """Keep a part; one of that name is replaced."""
        ...

    def read(self, part: str) -> pa.Table:
        """Raises `FileNotFoundError` or `NotFound` if there is no such part."""
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
        return self.folder.name

    def write(self, part: str, table: pa.Table) -> None:
        """As one Arrow file; replaces what was there."""
        import pyarrow as pa

        self.folder.mkdir(parents=True, exist_ok=True)
        with pa.OSFile(str(self._path(part)), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)

    def read(self, part: str) -> pa.Table:
        """A part; its file stays mapped as long as the table or a view of it lives."""
        import pyarrow as pa

        with pa.memory_map(str(self._path(part))) as file:
            return pa.ipc.open_file(file).read_all()

    def clear(self) -> None:
        """Does not mind if there is no such folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, part: str) -> Path:
        return self.folder / f"{part}.arrow"


def sweep_spools(folder: Path, *, kept_seconds: float = KEPT_SECONDS) -> int:
    """Delete what runs have not written to below a folder for so long; returns how many runs' it was."""
    before, swept = time.time() - kept_seconds, 0
    for entry in [*folder.glob("*"), *(folder / HANDLES).glob("*")]:
        if entry.is_dir() and _written_at(entry) < before:
            shutil.rmtree(entry, ignore_errors=True)
            swept += 1
    return swept


def _written_at(folder: Path) -> float:
    times = [folder.stat().st_mtime]
    for entry in folder.rglob("*"):
        try:
            times.append(entry.lstat().st_mtime)
        except FileNotFoundError:
            continue
    return max(times)
