"""Calls that look right and fail with the first batch."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from mixpeek_dagster.plugins.spec import Problem

_LOADED = frozenset({"AutoConfig", "AutoTokenizer", "AutoProcessor", "AutoImageProcessor", "AutoFeatureExtractor"})
_Finding = tuple[ast.expr | ast.stmt, str, str, str]


def broken_calls(trees: dict[Path, ast.Module]) -> Iterator[Problem]:
    """Warnings, each with the form that works."""
    for path, tree in trees.items():
        autos, seen = _auto_classes(tree), set()
        for node in ast.walk(tree):
            for found, code, message, fix in [*_auto(node, autos), *_cells(node)]:
                if found in seen:
                    # A function in a function is a part of both.
                    continue
                seen.add(found)
                yield Problem("warning", code, message, fix, str(path), found.lineno, found.col_offset + 1)


def _auto_classes(tree: ast.Module) -> set[str]:
    """Names of transformers' `Auto…` classes in a file."""
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "transformers"]
    names = {alias.name for node in imports for alias in node.names if alias.asname is None}
    return {name for name in names if name in _LOADED or name.startswith("AutoModel")}


def _auto(node: ast.AST, autos: set[str]) -> Iterator[_Finding]:
    if not isinstance(node, ast.Call):
        return
    called = ast.unparse(node.func) if isinstance(node.func, ast.Name | ast.Attribute) else ""
    if called == "AutoConfig.from_dict" and "AutoConfig" in autos:
        yield node, "AUTO001", "AutoConfig has no from_dict", "Call AutoConfig.for_model(**config)"
    elif called in autos:
        way = "from_config(config)" if called.startswith("AutoModel") else "from_pretrained(folder)"
        yield node, "AUTO002", f"{called} cannot be called, it raises OSError", f"Call {called}.{way}"


def _cells(node: ast.AST) -> Iterator[_Finding]:
    """`batch.at[i, "new"] = {…}`: pandas takes a dict or list for a cell of an existing object column alone."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return
    made: set[str] = set()
    assigned = [part for part in ast.walk(node) if isinstance(part, ast.Assign)]
    for part in sorted(assigned, key=lambda part: part.lineno):
        target = part.targets[0]
        if not isinstance(target, ast.Subscript):
            continue
        if isinstance(target.slice, ast.Constant):
            made.add(str(target.slice.value))
        elif (column := _new_cell(target)) and column not in made and _may_hold_many(part.value):
            fix = f'Make the column first, batch["{column}"] = None, or assign a list with an item for each row'
            message = f".at cannot put a dict or list into {column!r}, a column that is not there yet"
            yield part, "CELL001", message, fix


def _new_cell(target: ast.Subscript) -> str:
    is_at = isinstance(target.value, ast.Attribute) and target.value.attr == "at"
    last = target.slice.elts[-1] if isinstance(target.slice, ast.Tuple) and target.slice.elts else None
    return str(last.value) if is_at and isinstance(last, ast.Constant) and isinstance(last.value, str) else ""


def _may_hold_many(value: ast.expr) -> bool:
    """Literals, and `result.data`, which clients of APIs call a parsed answer."""
    answer = isinstance(value, ast.Attribute) and value.attr == "data"
    return answer or isinstance(value, ast.Dict | ast.DictComp | ast.List | ast.ListComp)
