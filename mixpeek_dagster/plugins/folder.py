"""A plugin folder's files: which count, and the hash that names their content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from mixpeek_dagster.errors import PluginError

_IGNORED = frozenset({"__pycache__", "tests"})
REQUIRED_FILES = ("manifest.py", "pipeline.py")


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
    missing = [name for name in REQUIRED_FILES if not (folder / name).is_file()]
    if missing:
        builtin = (folder / "definition.py").is_file()
        fix = "definition.py is the format of built-in plugins, which is not supported yet" if builtin else "Add it"
        raise PluginError(f"plugin {str(folder)!r}", why=f"it has no {' and no '.join(missing)}", fix=fix)
    return folder
