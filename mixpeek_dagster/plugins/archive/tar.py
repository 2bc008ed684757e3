"""A tar.gz archive read with suspicion: plain files and folders only, under names that stay below the folder."""

from __future__ import annotations

import gzip
import io
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, NoReturn, Self

from mixpeek_dagster.errors import ArchiveError
from mixpeek_dagster.plugins.archive.disk import unwritable
from mixpeek_dagster.plugins.archive.names import NameTree, name_problem, shown
from mixpeek_dagster.plugins.archive.zip_directory import ArchiveLimits

_PIECE = 2**20
_MOST_AT_ONCE = 2**22
"""Bytes that tarfile may read in one go: long names and extended headers are read whole into memory."""
_PER_FILE = 4096
_REPACK = "Pack the folder again: tar -czf model.tar.gz -C FOLDER ."


class TarReader:
    """Reads a tar.gz, which is first unzipped beside the target: a tar can only be looked at from its start to its end.

    Args:
        archive: the file.
        limits: what it may have at most.
        work: folder for the unzipped tar, which is deleted at the end.
    """

    def __init__(self, archive: Path, limits: ArchiveLimits, work: Path) -> None:
        self._name = archive.name
        self._limits = limits
        size = archive.stat().st_size
        if size > limits.packed_bytes:
            self._refuse(f"{size:,} bytes, {limits.packed_bytes:,} are allowed")
        try:
            self._plain: IO[bytes] = tempfile.TemporaryFile(dir=work)  # noqa: SIM115 - closed by __exit__
            self._gunzip(archive)
            self._plain.seek(0)
        except OSError as error:
            raise unwritable(work, error) from error
        self._tar: tarfile.TarFile | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._plain.close()

    def files(self) -> dict[tuple[str, ...], tarfile.TarInfo]:
        """The plain files by the parts of their names, once every entry is known to be sound.

        Raises:
            ArchiveError: it is no tar, is over a limit, or an entry is not a plain file or folder with a sound name.
        """
        tree, found, total = NameTree(), {}, 0
        try:
            self._tar = tarfile.open(fileobj=_Bounded(self._plain), mode="r:")  # noqa: SIM115 - over our own file
            for number, entry in enumerate(self._tar):
                if number >= self._limits.files:
                    self._refuse(f"it has more than {self._limits.files:,} entries")
                # `tar -C FOLDER .` writes every name with a leading ./
                name = entry.name.removeprefix("./")
                if name in ("", "."):
                    continue
                self._require_plain(entry, name, tree)
                total += entry.size
                if total > self._limits.unpacked_bytes:
                    self._refuse(f"{total:,} bytes unpacked, {self._limits.unpacked_bytes:,} are allowed")
                if entry.isfile():
                    found[tuple(name.split("/"))] = entry
        except (tarfile.TarError, OSError, ValueError, EOFError) as error:
            self._refuse(f"it is no tar: {error}")
        return found

    def content(self, entry: tarfile.TarInfo) -> Iterator[bytes]:
        """A file's content in pieces.

        Raises:
            ArchiveError: it is truncated.
        """
        self._plain.seek(entry.offset_data)
        left = entry.size
        while left:
            piece = self._plain.read(min(_PIECE, left))
            if not piece:
                self._refuse("it is truncated", entry.name)
            left -= len(piece)
            yield piece

    def _gunzip(self, archive: Path) -> None:
        most = self._limits.unpacked_bytes + self._limits.files * _PER_FILE + _MOST_AT_ONCE
        size = 0
        try:
            with gzip.open(archive) as packed:
                while piece := packed.read(_PIECE):
                    size += len(piece)
                    if size > most:
                        self._refuse(f"it unpacks to more than {self._limits.unpacked_bytes:,} bytes")
                    self._plain.write(piece)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            self._refuse(f"it is damaged: {error}")

    def _require_plain(self, entry: tarfile.TarInfo, name: str, tree: NameTree) -> None:
        if entry.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE) or entry.sparse is not None:
            link = "a link" if entry.issym() or entry.islnk() else "no plain file or folder"
            self._refuse(f"it is {link}", name)
        if problem := name_problem(name) or tree.clash(tuple(name.split("/")), is_file=entry.isfile()):
            self._refuse(problem, name)

    def _refuse(self, why: str, entry: str = "") -> NoReturn:
        where = shown(entry)
        why = f"entry {where!r}: {why}" if where else why
        raise ArchiveError(f"archive {self._name!r}", why=why, fix=_REPACK, where=where)


class _Bounded(io.RawIOBase):
    """A file of which nobody reads much at once."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        if size < 0 or size > _MOST_AT_ONCE:
            raise tarfile.ReadError("a header is too large")
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()
