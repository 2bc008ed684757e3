"""What looks right and fails with the first batch."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from mixpeek_dagster.plugins.spec import Problem

_LOADED = frozenset({"AutoConfig", "AutoTokenizer", "AutoProcessor", "AutoImageProcessor", "AutoFeatureExtractor"})
_LOADERS = frozenset({"load_hf_model", "lazy_model"})
_DTYPES = frozenset(
    {"float16", "half", "bfloat16", "float32", "float", "float64", "double", "float8_e4m3fn", "float8_e5m2"}
)
_Finding = tuple[ast.expr | ast.stmt, str, str, str]


def broken_calls(trees: dict[Path, ast.Module]) -> Iterator[Problem]:
    """Warnings, each with the form that works."""
    for path, tree in trees.items():
        autos, seen = _auto_classes(tree), set()
        for node in ast.walk(tree):
            for found, code, message, fix in [*_auto(node, autos), *_dtypes(node), *_cells(node)]:
                if found in seen:
                    # A function in a function is a part of both.
                    continue
                seen.add(found)
                yield Problem("warning", code, message, fix, str(path), found.lineno, found.col_offset + 1)


def _auto_classes(tree: ast.Module) -> dict[str, str]:
    """How a file may write transformers' `Auto…` classes, by their names."""
    written: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "transformers":
            written |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            written |= {alias.asname or alias.name: "" for alias in node.names if alias.name == "transformers"}
    return written


def _auto_class(node: ast.expr, autos: dict[str, str]) -> str:
    """The `Auto…` class that an expression names; empty if it is something else."""
    if isinstance(node, ast.Attribute):
        name = node.attr if autos.get(ast.unparse(node.value)) == "" else ""
    else:
        name = autos.get(node.id, "") if isinstance(node, ast.Name) else ""
    return name if name in _LOADED or name.startswith("AutoModel") else ""


def _auto(node: ast.AST, autos: dict[str, str]) -> Iterator[_Finding]:
    if not isinstance(node, ast.Call):
        return
    called = node.func
    written = ast.unparse(called)
    if isinstance(called, ast.Attribute) and called.attr == "from_dict":
        if _auto_class(called.value, autos) == "AutoConfig":
            fix = f"Call {ast.unparse(called.value)}.for_model(**config)"
            yield node, "AUTO001", "AutoConfig has no from_dict", fix
    elif name := _auto_class(called, autos):
        way = "from_config(config)" if name.startswith("AutoModel") else "from_pretrained(folder)"
        yield node, "AUTO002", f"{name} cannot be called, it raises OSError", f"Call {written}.{way}"


def _dtypes(node: ast.AST) -> Iterator[_Finding]:
    """`torch_dtype` of a class, or of a call that loads a model, that torch does not have."""
    given: list[ast.expr] = []
    if isinstance(node, ast.ClassDef):
        values = [(part.targets[0], part.value) for part in node.body if isinstance(part, ast.Assign)]
        values += [(part.target, part.value) for part in node.body if isinstance(part, ast.AnnAssign) and part.value]
        given = [value for target, value in values if isinstance(target, ast.Name) and target.id == "torch_dtype"]
    elif isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in _LOADERS:
        given = [keyword.value for keyword in node.keywords if keyword.arg == "torch_dtype"]
    for value in given:
        name = value.value if isinstance(value, ast.Constant) else None
        if isinstance(name, str) and name.removeprefix("torch.") not in _DTYPES:
            yield value, "TYPE001", f"torch has no dtype {name!r} for weights", "Write float16, bfloat16 or float32"


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
