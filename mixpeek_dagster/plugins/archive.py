"""Plugins as zip archives: packed the same every time, unpacked as if whoever sent them meant harm."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
import zipfile
from pathlib import Path

from mixpeek_dagster.errors import ArchiveError, StoreError
from mixpeek_dagster.plugins.archive_names import NameTree, name_problem, shown
from mixpeek_dagster.plugins.archive_reader import ArchiveLimits, ArchiveReader, Entry
from mixpeek_dagster.plugins.folder import REQUIRED_FILES, code_hash, plugin_files, require_plugin_folder

__all__ = ["ArchiveLimits", "pack", "packable", "unpack"]

_LIMITS = ArchiveLimits()
_FILE_MODE = 0o644
_FOLDER_MODE = 0o755
_EPOCH = (1980, 1, 1, 0, 0, 0)
_JUNK_TOP = "__MACOSX"
_JUNK_SAFE_TOP = "plugin"
_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
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
    _make_folder(folder)
    try:
        _extract(archive, folder, limits)
        return code_hash(folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def pack(folder: Path, archive: Path, limits: ArchiveLimits = _LIMITS) -> str:
    """Write a plugin's files as a zip under one top folder; the same files always give the same bytes.

    Returns:
        The plugin's `code_hash`.

    Raises:
        PluginError: it is not a plugin's folder.
        ArchiveError: it has files that an archive may not have, or it is over a limit; nothing is written.
        StoreError: the archive cannot be written.
    """
    folder = require_plugin_folder(folder).resolve()
    if archive.resolve().is_relative_to(folder):
        why = "it would be packed into itself the next time"
        raise ArchiveError(f"archive {archive.name!r}", why=why, fix="Write it outside of the plugin's folder")
    files = packable(folder, limits)
    try:
        _write_archive(files, archive, limits)
    except OSError as error:
        raise _unwritable(archive.parent, error) from error
    return code_hash(folder)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(_FOLDER_MODE)
        if any(folder.iterdir()):
            raise StoreError(f"folder {str(folder)!r}", why="it is not empty", fix="Unpack into a new folder")
    except OSError as error:
        raise _unwritable(folder, error) from error


def _extract(archive: Path, folder: Path, limits: ArchiveLimits) -> None:
    if not archive.is_file():
        raise ArchiveError(f"archive {archive.name!r}", why="it is not a file", fix="Name a zip file")
    with archive.open("rb") as file:
        reader = ArchiveReader(file, archive.name, limits)
        entries = [entry for entry in reader.entries() if not _is_junk(entry.parts)]
        top = _top(reader, [entry.parts for entry in entries if entry.is_file])
        for entry in entries:
            if entry.is_file:
                _write(reader, entry, folder.joinpath(*entry.parts[top:]), folder)
    _drop_uncounted(folder)


def _is_junk(parts: tuple[str, ...]) -> bool:
    """What a file manager or a version control system left there; it is no second top folder."""
    return parts[0] == _JUNK_TOP or any(part.startswith(".") for part in parts)


def _top(reader: ArchiveReader, files: list[tuple[str, ...]]) -> int:
    """How many leading parts to cut so that the plugin's files are at the top: none or one."""
    if all((name,) in files for name in REQUIRED_FILES):
        return 0
    tops = {parts[0] for parts in files}
    if len(tops) == 1 and all((*tops, name) in files for name in REQUIRED_FILES):
        return 1
    names = " and ".join(REQUIRED_FILES)
    found = [shown("/".join(parts)) for parts in files if parts[-1] in REQUIRED_FILES]
    more = f" and {len(found) - 4:,} more" if len(found) > 4 else ""
    place = f"found: {', '.join(found[:4])}{more}" if found else "it has neither"
    why = f"{names} are not both at its top or in its only top folder; {place}"
    reader.refuse(why, "Pack the folder that holds manifest.py, alone: zip -r plugin.zip my_plugin")


def _write(reader: ArchiveReader, entry: Entry, path: Path, folder: Path) -> None:
    try:
        _make_parents(path, folder)
        # O_EXCL: whatever is there already, even a link, was not put there by this archive.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, _FILE_MODE)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, _FILE_MODE)
            for piece in reader.content(entry):
                file.write(piece)
    except OSError as error:
        if error.errno in _BAD_NAME:
            reader.refuse(f"no file can have its name here: {error.strerror}", "Shorten its name", entry.name)
        raise _unwritable(folder, error) from error


def _make_parents(path: Path, folder: Path) -> None:
    at = folder
    for part in path.relative_to(folder).parts[:-1]:
        at /= part
        if not at.is_dir():
            at.mkdir()
            at.chmod(_FOLDER_MODE)


def _drop_uncounted(folder: Path) -> None:
    counted = set(plugin_files(folder))
    # In reverse a folder comes after its files.
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path not in counted:
            path.unlink()


def packable(folder: Path, limits: ArchiveLimits) -> dict[str, Path]:
    """A plugin's files by the names that they get in an archive, sorted.

    Raises:
        ArchiveError: it has files that an archive may not have, or it is over a limit.
    """
    what = f"plugin {str(folder)!r}"
    top = _JUNK_SAFE_TOP if _is_junk((folder.name,)) else folder.name
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.is_symlink() and not _is_junk(inside.parts):
            fix = "Put the file itself there"
            raise ArchiveError(what, why="it is a symbolic link", fix=fix, where=shown(inside.as_posix()))
    files = {f"{top}/{path.relative_to(folder).as_posix()}": path for path in plugin_files(folder)}
    tree = NameTree()
    for name in files:
        if problem := name_problem(name) or tree.clash(tuple(name.split("/")), is_file=True):
            raise ArchiveError(what, why=problem, fix="Rename it", where=shown(name))
    size = sum(path.stat().st_size for path in files.values())
    for measure, found, most in (("files", len(files), limits.files), ("bytes", size, limits.unpacked_bytes)):
        if found > most:
            fix = "Leave out what the plugin can download, such as model weights"
            raise ArchiveError(what, why=f"{found:,} {measure}, {most:,} are allowed", fix=fix)
    return dict(sorted(files.items()))


def _write_archive(files: dict[str, Path], archive: Path, limits: ArchiveLimits) -> None:
    descriptor, name = tempfile.mkstemp(prefix=f".{archive.name[:100]}.", dir=archive.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
            for entry, path in files.items():
                _add(packed, entry, path)
        size = temporary.stat().st_size
        if size > limits.packed_bytes:
            why = f"{size:,} bytes, {limits.packed_bytes:,} are allowed"
            raise ArchiveError(f"archive {archive.name!r}", why=why, fix="Leave out what the plugin can download")
        temporary.chmod(_FILE_MODE)
        temporary.replace(archive)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _add(packed: zipfile.ZipFile, name: str, path: Path) -> None:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.create_system = 3  # Unix, on every system: the bytes must not tell where they were packed
    info.external_attr = (stat.S_IFREG | _FILE_MODE) << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    info.file_size = path.stat().st_size
    with path.open("rb") as source, packed.open(info, "w") as target:
        shutil.copyfileobj(source, target, 2**20)


def _unwritable(folder: Path, error: OSError) -> StoreError:
    full = error.errno in _DISK_FULL
    why = "the disk is full" if full else str(error)
    fix = "Free space, or set MIXPEEK_HOME elsewhere" if full else "Check the folder and its permissions"
    return StoreError(f"folder {str(folder)!r}", why=why, fix=fix)
