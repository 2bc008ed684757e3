"""Plugins out of zip archives, as if whoever sent them meant harm."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from mixpeek_dagster.errors import ArchiveError, StoreError
from mixpeek_dagster.plugins.archive.disk import FILE_MODE, FOLDER_MODE, unwritable
from mixpeek_dagster.plugins.archive.names import is_junk, shown
from mixpeek_dagster.plugins.archive.reader import ArchiveReader, Entry
from mixpeek_dagster.plugins.archive.zip_directory import ArchiveLimits
from mixpeek_dagster.plugins.folder import code_hash, missing_files, plugin_files

_LIMITS = ArchiveLimits()
_BAD_NAME = frozenset({errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL})


def unpack(archive: Path, folder: Path, limits: ArchiveLimits = _LIMITS) -> str:
    """Extract a plugin from a zip into a new or empty folder, with its manifest at the top.

    The folder gets exactly the files that count for the plugin's hash: caches, tests and hidden files are left out,
    so that equal hashes are equal folders, and no compiled module can stand in for the source that was checked.

    Returns:
        The plugin's `code_hash`.

    Raises:
        ArchiveError: the archive is not one that a plugin can come from; the folder is gone.
        StoreError: the folder cannot be written; it is gone, unless it had files before.
    """
    make_folder(folder)
    try:
        _extract(archive, folder, limits)
        return code_hash(folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def make_folder(folder: Path) -> None:
    """Make a folder to unpack into; one that is there must be empty."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(FOLDER_MODE)
        if any(folder.iterdir()):
            raise StoreError(f"folder {str(folder)!r}", why="it is not empty", fix="Unpack into a new folder")
    except OSError as error:
        raise unwritable(folder, error) from error


def _extract(archive: Path, folder: Path, limits: ArchiveLimits) -> None:
    if not archive.is_file():
        raise ArchiveError(f"archive {archive.name!r}", why="it is not a file", fix="Name a zip file")
    with archive.open("rb") as file:
        reader = ArchiveReader(file, archive.name, limits)
        entries = [entry for entry in reader.entries() if not is_junk(entry.parts)]
        top = _top(reader, [entry.parts for entry in entries if entry.is_file])
        for entry in entries:
            if entry.is_file:
                write_entry(reader, entry, folder.joinpath(*entry.parts[top:]), folder)
    _drop_uncounted(folder)


def _top(reader: ArchiveReader, files: list[tuple[str, ...]]) -> int:
    """How many leading parts to cut so that the plugin's files are at the top: none or one."""
    if not missing_files([parts[0] for parts in files if len(parts) == 1]):
        return 0
    tops = {parts[0] for parts in files}
    if len(tops) == 1 and not missing_files([parts[1] for parts in files if len(parts) == 2]):
        return 1
    needed = missing_files([])
    names = " and ".join(needed)
    found = [shown("/".join(parts)) for parts in files if parts[-1] in needed]
    more = f" and {len(found) - 4:,} more" if len(found) > 4 else ""
    place = f"found: {', '.join(found[:4])}{more}" if found else "it has neither"
    why = f"{names} are not both at its top or in its only top folder; {place}"
    reader.refuse(why, "Pack the folder that holds manifest.py, alone: zip -r plugin.zip my_plugin")


def write_entry(reader: ArchiveReader, entry: Entry, path: Path, folder: Path) -> None:
    """Write a file of an archive to a path below the folder; whatever is there already stays as it is."""
    try:
        write_pieces(path, folder, reader.content(entry))
    except OSError as error:
        if error.errno in _BAD_NAME:
            reader.refuse(f"no file can have its name here: {error.strerror}", "Shorten its name", entry.name)
        raise unwritable(folder, error) from error


def write_pieces(path: Path, folder: Path, pieces: Iterable[bytes]) -> None:
    """Write a new file below the folder."""
    _make_parents(path, folder)
    # O_EXCL: whatever is there already, even a link, was not put there by this archive.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, FILE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, FILE_MODE)
        for piece in pieces:
            file.write(piece)


def _make_parents(path: Path, folder: Path) -> None:
    at = folder
    for part in path.relative_to(folder).parts[:-1]:
        at /= part
        if not at.is_dir():
            at.mkdir()
            at.chmod(FOLDER_MODE)


def _drop_uncounted(folder: Path) -> None:
    counted = set(plugin_files(folder))
    # In reverse a folder comes after its files.
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path not in counted:
            path.unlink()
