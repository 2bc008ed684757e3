"""Folders of files, whatever they are, in and out of archives: zip, or tar with gzip."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path

from mixpeek_dagster.errors import ArchiveError
from mixpeek_dagster.plugins.archive.disk import unwritable
from mixpeek_dagster.plugins.archive.names import is_junk
from mixpeek_dagster.plugins.archive.reader import ArchiveReader
from mixpeek_dagster.plugins.archive.tar import TarReader
from mixpeek_dagster.plugins.archive.unpacking import make_folder, write_entry, write_pieces
from mixpeek_dagster.plugins.archive.zip_directory import ArchiveLimits

_GZIP = b"\x1f\x8b"
_EPOCH = (1980, 1, 1, 0, 0, 0)


def pack_files(files: Mapping[str, Path], archive: Path) -> None:
    """Write files under these names into a zip, not compressed; the same files always give the same bytes."""
    try:
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as packed:
            for name, path in sorted(files.items()):
                info = zipfile.ZipInfo(name, _EPOCH)
                info.create_system = 3  # Unix, on every system: the bytes must not tell where they were packed
                info.file_size = path.stat().st_size
                with path.open("rb") as source, packed.open(info, "w") as target:
                    shutil.copyfileobj(source, target, 2**20)
    except OSError as error:
        raise unwritable(archive.parent, error) from error


def unpack_files(archive: Path, folder: Path, limits: ArchiveLimits, marker: str) -> None:
    """Extract an archive into a new or empty folder, so that `marker` is at its top; hidden files are left out.

    Raises:
        ArchiveError: the archive is over a limit, has an entry that is no plain file or folder or is named so that it
            would land elsewhere, or `marker` is neither at its top nor in its only top folder.
        StoreError: the folder cannot be written.
    """
    make_folder(folder)
    try:
        with archive.open("rb") as file:
            gzip = file.read(2) == _GZIP
        (_unpack_tar if gzip else _unpack_zip)(archive, folder, limits, marker)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _unpack_zip(archive: Path, folder: Path, limits: ArchiveLimits, marker: str) -> None:
    with archive.open("rb") as file:
        reader = ArchiveReader(file, archive.name, limits)
        entries = [entry for entry in reader.entries() if entry.is_file and not is_junk(entry.parts)]
        top = _top([entry.parts for entry in entries], archive.name, marker)
        for entry in entries:
            write_entry(reader, entry, folder.joinpath(*entry.parts[top:]), folder)


def _unpack_tar(archive: Path, folder: Path, limits: ArchiveLimits, marker: str) -> None:
    with TarReader(archive, limits, folder.parent) as reader:
        entries = {parts: entry for parts, entry in reader.files().items() if not is_junk(parts)}
        top = _top(list(entries), archive.name, marker)
        try:
            for parts, entry in entries.items():
                write_pieces(folder.joinpath(*parts[top:]), folder, reader.content(entry))
        except OSError as error:
            raise unwritable(folder, error) from error


def _top(files: list[tuple[str, ...]], archive: str, marker: str) -> int:
    """How many leading parts to cut: none or one."""
    if (marker,) in files:
        return 0
    tops = {parts[0] for parts in files}
    if len(tops) == 1 and (*tops, marker) in files:
        return 1
    why = f"{marker} is neither at its top nor in its only top folder"
    raise ArchiveError(f"archive {archive!r}", why=why, fix=f"Pack the folder that holds {marker}, alone")
