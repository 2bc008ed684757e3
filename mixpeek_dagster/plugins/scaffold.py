"""A new plugin to start from: small, complete, and right the first time."""

from __future__ import annotations

import keyword
import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from mixpeek_dagster.errors import AlreadyExists, InvalidRequest
from mixpeek_dagster.plugins.manifest import is_plugin_name

KINDS = ("text", "image", "vlm", "multi-step")
_TEMPLATES = "templates"
_NAME = "plugin_name"
_SUFFIX = ".txt"


def new_plugin(name: str, kind: str, into: Path) -> Path:
    """Write a plugin's folder.

    Args:
        name: of the plugin and its folder.
        kind: one of `KINDS`.
        into: the folder that gets the plugin's folder.

    Raises:
        InvalidRequest: the name or the kind cannot be one; says one that can.
        AlreadyExists: the folder is there.
    """
    if kind not in KINDS:
        raise InvalidRequest(f"--kind {kind}", why="it is not known", fix=f"Use {', '.join(KINDS)}")
    if not is_plugin_name(name) or keyword.iskeyword(name):
        fix = f"Use 3 to 64 letters, digits and underscores, a letter first, such as {_like(name)}"
        raise InvalidRequest(f"plugin name {name!r}", why="it cannot be one", fix=fix)
    folder = into.expanduser() / name
    if folder.exists():
        raise AlreadyExists(f"folder {str(folder)!r}", why="it is there already", fix="Choose another name, or --into")
    for template in (files(__package__) / _TEMPLATES / "every", files(__package__) / _TEMPLATES / kind):
        _write(template, folder, name)
    return folder


def _write(template: Traversable, folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for entry in template.iterdir():
        if entry.is_dir():
            _write(entry, folder / entry.name, name)
        elif entry.name.endswith(_SUFFIX):
            text = entry.read_text(encoding="utf-8").replace(_NAME, name)
            (folder / entry.name.removesuffix(_SUFFIX)).write_text(text, encoding="utf-8")


def _like(name: str) -> str:
    words = re.sub(r"[^a-zA-Z0-9]+", "_", name).strip("_")[:64].lower()
    words = words if words[:1].isalpha() else f"plugin_{words}".rstrip("_")
    return f"{words}_plugin"[:64].strip("_") if len(words) < 3 or keyword.iskeyword(words) else words
