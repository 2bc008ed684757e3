"""A plugin's private package: its modules, imported so that no two plugins or versions ever meet, and its places."""

from __future__ import annotations

import hashlib
import importlib
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType, ModuleType

from mixpeek_dagster.errors import PluginLoadError
from mixpeek_dagster.extras import install_command
from mixpeek_dagster.plugins.dependencies import has_module

ROOT = "_mixpeek_plugins"
"""Package of all plugins' packages."""
IMPORTING = threading.RLock()
"""Held while plugins are imported."""


def register_package(folder: Path, digest: str) -> str:
    """Name of the package for a folder with this code: plugins have no __init__.py, and their folders' names collide.

    Args:
        digest: the folder's `code_hash`.
    """
    place = hashlib.sha256(str(folder).encode()).hexdigest()[:8]
    name = f"{ROOT}.p_{digest[:16]}_{place}"
    with IMPORTING:
        for module_name, path in ((ROOT, []), (name, [str(folder)])):
            if module_name not in sys.modules:
                module = ModuleType(module_name)
                module.__path__ = path
                sys.modules[module_name] = module
    return name


def import_plugin_module(package: str, name: str, folder: Path) -> ModuleType:
    """Import a module of a plugin.

    Raises:
        PluginLoadError: it does not import; nothing half-imported stays behind.
    """
    with IMPORTING:
        before = set(sys.modules)
        try:
            return importlib.import_module(f"{package}.{name}")
        except (Exception, SystemExit) as error:
            for module in set(sys.modules) - before:
                if module.startswith(f"{package}."):
                    del sys.modules[module]
            fix = _import_fix(error, folder)
            why = _not_here(error, folder) or describe(error)
            raise PluginLoadError(
                f"{name}.py of plugin {folder.name!r}", why=why, where=place_in(error, folder), fix=fix
            ) from error


def describe(error: BaseException) -> str:
    """An exception in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def place_in(error: BaseException, folder: Path) -> str:
    """`file:line` of the deepest frame of an exception inside a folder; empty if it has none there."""
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename).is_relative_to(folder):
        return f"{error.filename}:{error.lineno}"
    deepest = _deepest(error, lambda frame: Path(frame.f_code.co_filename).is_relative_to(folder))
    return "{}:{}".format(*deepest) if deepest else ""


def plugin_place(error: BaseException) -> str:
    """`folder/file:line` of the deepest frame in any plugin's code, where its folder is not known; else empty."""
    deepest = _deepest(error, lambda frame: str(frame.f_globals.get("__name__", "")).startswith(ROOT))
    return f"{deepest[0].parent.name}/{deepest[0].name}:{deepest[1]}" if deepest else ""


def _deepest(error: BaseException, inside: Callable[[FrameType], bool]) -> tuple[Path, int] | None:
    places = [
        (Path(frame.f_code.co_filename), line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if inside(frame)
    ]
    return places[-1] if places else None


def _not_here(error: BaseException, folder: Path) -> str:
    """That a library is not installed, if that is why a module does not import."""
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return ""
    top = error.name.partition(".")[0]
    return "" if _is_own(top, folder) or has_module(top) else f"{describe(error)}: {top} is not installed here"


def _is_own(top: str, folder: Path) -> bool:
    return top == folder.name or (folder / top).exists() or (folder / f"{top}.py").exists()


def _import_fix(error: BaseException, folder: Path) -> str:
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return ""
    top, _, rest = error.name.partition(".")
    if _is_own(top, folder):
        return f"Import your own modules relatively: from .{rest if top == folder.name else error.name} import ..."
    return install_command(top) or f"pip install {top}"
