"""A plugin's import statements, read without running them: own modules and libraries that are not there."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from mixpeek_dagster.extras import install_command
from mixpeek_dagster.plugins.dependencies import has_module
from mixpeek_dagster.plugins.spec import Problem

_SDK = frozenset({"engine", "shared", "api"})
_EXPECTED = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})


def import_problems(folder: Path, trees: dict[Path, ast.Module]) -> Iterator[Problem]:
    """Every import of a plugin's files that cannot work here.

    Args:
        folder: the plugin's folder.
        trees: its parsed files.
    """
    for path, tree in trees.items():
        for statement in _unguarded(tree):
            if isinstance(statement, ast.Import):
                for alias in statement.names:
                    yield from _absolute(alias.name, folder, path, statement)
            elif statement.level:
                yield from _relative(statement, folder, path)
            elif statement.module:
                yield from _absolute(statement.module, folder, path, statement)


def _unguarded(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """Import statements, but not those in a `try` that expects them to fail."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif isinstance(child, ast.Try) and any(map(_expects_failure, child.handlers)):
            for handler in child.handlers:
                yield from _unguarded(handler)
        elif not (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)):
            yield from _unguarded(child)


def _expects_failure(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    return any(isinstance(node, ast.Name) and node.id in _EXPECTED for node in ast.walk(handler.type))


def _absolute(module: str, folder: Path, path: Path, at: ast.stmt) -> Iterator[Problem]:
    top, _, rest = module.partition(".")
    if top in sys.stdlib_module_names or top in _SDK or has_module(top):
        return
    place = (str(path), at.lineno, at.col_offset + 1)
    if top == folder.name or (folder / top).is_dir() or (folder / f"{top}.py").is_file():
        target = rest if top == folder.name else module
        fix = f"Import it relatively: from {_dots(folder, path)}{target} import ..."
        yield Problem("error", "import_own_absolute", f"{module} is the plugin's own", fix, *place)
    else:
        message = f"{top} is not installed here"
        install = install_command(top) or f"pip install {top}"
        yield Problem("warning", "import_unknown", message, f"{install}, or remove the import", *place)


def _relative(statement: ast.ImportFrom, folder: Path, path: Path) -> Iterator[Problem]:
    place = (str(path), statement.lineno, statement.col_offset + 1)
    base = path.parent
    for _ in range(statement.level - 1):
        base = base.parent
    if not base.is_relative_to(folder):
        fix = f"The plugin's own folder is {_dots(folder, path)!r} from here"
        yield Problem("error", "import_outside", "the import leaves the plugin's folder", fix, *place)
        return
    parts = statement.module.split(".") if statement.module else []
    # Without a module the names are modules or what __init__.py holds.
    names = [".".join(parts)] if parts else [alias.name for alias in statement.names]
    for name in names:
        target = base.joinpath(*name.split("."))
        there = target.is_dir() or target.with_name(f"{target.name}.py").is_file()
        if not there and (parts or not (base / "__init__.py").exists()):
            shown = target.relative_to(folder).as_posix()
            message = f"the plugin has no {shown}.py and no folder {shown}"
            yield Problem("error", "import_own_missing", message, "Add it, or mend the import", *place)


def _dots(folder: Path, path: Path) -> str:
    return "." * (len(path.relative_to(folder).parts))
