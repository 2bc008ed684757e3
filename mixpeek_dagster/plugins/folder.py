"""A plugin folder's files: which count, and the hash that names their content."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from pathlib import Path

from mixpeek_dagster.errors import PluginError

_IGNORED = frozenset({"__pycache__", "tests"})
_MANIFESTS = ("manifest.py", "definition.py")


def missing_files(names: Collection[str]) -> list[str]:
    """Files that every plugin has and that are not among these names at its top."""
    manifest = [] if any(name in names for name in _MANIFESTS) else [_MANIFESTS[0]]
    return manifest + [name for name in ("pipeline.py",) if name not in names]


def manifest_path(folder: Path) -> Path:
    """The file that says what the plugin is: its manifest.py, else its definition.py."""
    return next((folder / name for name in _MANIFESTS if (folder / name).is_file()), folder / _MANIFESTS[0])


def plugin_files(folder: Path) -> Iterator[Path]:
    """Files that make the plugin what it is, in a stable order."""
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        hidden = any(part.startswith(".") or part in _IGNORED for part in parts)
        if path.is_file() and not hidden and path.suffix != ".pyc":
            yield path


def code_hash(folder: Path) -> str:
    """sha256 over the names and contents of the plugin's files, in hex."""
    digest = hashlib.sha256()
    for path in plugin_files(folder):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def require_plugin_folder(folder: Path) -> Path:
    """The folder as an absolute path.

    Raises:
        PluginError: it is not a folder, or a file that every plugin has is missing.
    """
    folder = folder.expanduser().absolute()
    if not folder.is_dir():
        raise PluginError(f"plugin {str(folder)!r}", why="it is not a folder", fix="Name the folder with manifest.py")
    missing = missing_files([path.name for path in folder.iterdir() if path.is_file()])
    if missing:
        raise PluginError(f"plugin {str(folder)!r}", why=f"it has no {' and no '.join(missing)}", fix="Add it")
    return folder
