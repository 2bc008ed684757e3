"""The bytes of an archive, and its error."""

from __future__ import annotations

from typing import BinaryIO, NoReturn

from mixpeek_dagster.errors import ArchiveError
from mixpeek_dagster.plugins.archive.names import shown

REPACK = "Pack the folder again as a zip: zip -r plugin.zip my_plugin"
DAMAGED = "The archive is damaged or was tampered with; pack the folder again"


class ArchiveFile:
    """An open archive.

    Args:
        file: the archive, seekable.
        name: what errors call it.

    Attributes:
        size: its bytes.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.file = file
        self.size = file.seek(0, 2)
        self._name = name

    def read(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes from `offset`; fewer at the file's end."""
        # A zip64 offset can be more than any file system takes.
        self.file.seek(min(offset, self.size))
        return self.file.read(size)

    def refuse(self, why: str, fix: str = DAMAGED, entry: str = "") -> NoReturn:
        """Raise the archive's error.

        Raises:
            ArchiveError: always.
        """
        where = shown(entry)
        why = f"entry {where!r}: {why}" if where else why
        raise ArchiveError(f"archive {self._name!r}", why=why, fix=fix, where=where)
