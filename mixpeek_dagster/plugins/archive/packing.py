"""Plugins into zip archives: the same files always give the same bytes."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import zipfile
from pathlib import Path

from mixpeek_dagster.errors import ArchiveError
from mixpeek_dagster.plugins.archive.disk import FILE_MODE, unwritable
from mixpeek_dagster.plugins.archive.names import NameTree, is_junk, name_problem, shown
from mixpeek_dagster.plugins.archive.zip_directory import ArchiveLimits
from mixpeek_dagster.plugins.folder import code_hash, plugin_files, require_plugin_folder

_LIMITS = ArchiveLimits()
_EPOCH = (1980, 1, 1, 0, 0, 0)
_JUNK_SAFE_TOP = "plugin"


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
        raise unwritable(archive.parent, error) from error
    return code_hash(folder)


def packable(folder: Path, limits: ArchiveLimits) -> dict[str, Path]:
    """A plugin's files by the names that they get in an archive, sorted.

    Raises:
        ArchiveError: it has files that an archive may not have, or it is over a limit.
    """
    what = f"plugin {str(folder)!r}"
    top = _JUNK_SAFE_TOP if is_junk((folder.name,)) else folder.name
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.is_symlink() and not is_junk(inside.parts):
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
        temporary.chmod(FILE_MODE)
        temporary.replace(archive)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _add(packed: zipfile.ZipFile, name: str, path: Path) -> None:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.create_system = 3  # Unix, on every system: the bytes must not tell where they were packed
    info.external_attr = (stat.S_IFREG | FILE_MODE) << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    info.file_size = path.stat().st_size
    with path.open("rb") as source, packed.open(info, "w") as target:
        shutil.copyfileobj(source, target, 2**20)
