"""What often goes wrong in batch processors: code that works, but row by row, or into the wrong rows."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from mixpeek_dagster.plugins.spec import Problem

_ROWS = frozenset({"iterrows", "itertuples"})
_MODEL_WORDS = ("model", "encoder", "llm", "vlm", "classifier", "session", "pipe", "network")
_MODEL_METHODS = frozenset({"predict", "generate", "transcribe", "embed", "forward", "encode_image", "encode_text"})
_TOKENIZER_WORDS = ("tokenizer", "tokenise", "tokenize")
_REORDERS = frozenset({"dropna", "drop", "drop_duplicates", "query", "sample", "sort_values", "explode", "nlargest"})
_Function = ast.FunctionDef | ast.AsyncFunctionDef
_Loop = ast.For | ast.AsyncFor | ast.ListComp | ast.GeneratorExp | ast.SetComp | ast.DictComp


def lint(trees: dict[Path, ast.Module]) -> Iterator[Problem]:
    """Warnings for every function of the files, each with the form that works better."""
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, _Function):
                for found, code, message, fix in _function(node):
                    yield Problem("warning", code, message, fix, str(path), found.lineno, found.col_offset + 1)


_Finding = tuple[ast.expr | ast.stmt, str, str, str]


def _function(function: _Function) -> Iterator[_Finding]:
    columns = _columns(function)
    seen: set[int] = set()
    for node in _own_nodes(function):
        if isinstance(node, _Loop) and any(_is_rows(source, columns) for source in _sources(node)):
            for finding in _per_row(node, seen):
                seen.add(id(finding[0]))
                yield finding
        elif isinstance(node, ast.Call):
            yield from _applied(node)
        elif isinstance(node, ast.ExceptHandler):
            yield from _zeros(node)
    yield from _index(function)


def _own_nodes(function: ast.AST) -> Iterator[ast.AST]:
    """A function's nodes without those of functions in it, which are looked at by themselves."""
    for child in ast.iter_child_nodes(function):
        if not isinstance(child, _Function):
            yield child
            yield from _own_nodes(child)


def _sources(loop: _Loop) -> list[ast.expr]:
    if isinstance(loop, ast.For | ast.AsyncFor):
        return [loop.iter]
    return [generator.iter for generator in loop.generators]


def _columns(function: _Function) -> set[str]:
    """Names of lists with one item a row."""
    return {
        target.id
        for node in _own_nodes(function)
        if isinstance(node, ast.Assign) and _is_column(node.value, set())
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _is_rows(node: ast.expr, columns: set[str]) -> bool:
    """Whether an expression goes through a batch's rows, one by one."""
    if not isinstance(node, ast.Call):
        return _is_column(node, columns)
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name in _ROWS or (name == "to_dict" and "records" in [getattr(a, "value", None) for a in node.args]):
        return True
    if name in {"zip", "enumerate", "list", "tqdm"}:
        return any(_is_rows(argument, columns) for argument in node.args)
    if name == "range" and len(node.args) == 1:
        return isinstance(node.args[0], ast.Call) and getattr(node.args[0].func, "id", "") == "len"
    return _is_column(node, columns)


def _is_column(node: ast.expr, columns: set[str]) -> bool:
    """`batch["text"]`, and what methods make of it."""
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        node = node.func.value
    if isinstance(node, ast.Name):
        return node.id in columns
    is_text = isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant)
    return is_text and isinstance(getattr(getattr(node, "slice", None), "value", None), str)


def _per_row(loop: _Loop, seen: set[int]) -> Iterator[_Finding]:
    bodies = loop.body if isinstance(loop, ast.For | ast.AsyncFor) else [loop]
    for body in bodies:
        for node in (body, *_own_nodes(body)):
            if not isinstance(node, ast.Call) or id(node) in seen or _takes_slice(node):
                continue
            if _is_tokenizer(node.func):
                fix = "Give the tokenizer the whole list: tokenizer(texts, padding=True, truncation=True)"
                yield node, "SEQ002", "the tokenizer is called once a row", fix
            elif _is_model_call(node):
                fix = "Call the model once with all rows; await calls of an API together with asyncio.gather"
                yield node, "SEQ001", "the model is called once a row", fix


def _applied(node: ast.Call) -> Iterator[_Finding]:
    if not isinstance(node.func, ast.Attribute) or node.func.attr not in {"apply", "map", "transform"} or not node.args:
        return
    function = node.args[0]
    calls = [part for part in ast.walk(function) if isinstance(part, ast.Call)]
    direct = isinstance(function, ast.Attribute) and (_names_model(function) or _is_tokenizer(function))
    if direct or (isinstance(function, ast.Lambda) and any(_is_model_call(c) or _is_tokenizer(c.func) for c in calls)):
        fix = 'Take the column as a list and call the model once: model.encode(batch["text"].tolist())'
        yield node, "SEQ003", f"{node.func.attr}() calls the model once a row", fix


def _is_model_call(node: ast.Call) -> bool:
    if isinstance(node.func, ast.Name):
        return node.func.id in {"model", "pipe", "encoder", "classifier"}
    return isinstance(node.func, ast.Attribute) and _names_model(node.func)


def _names_model(node: ast.Attribute) -> bool:
    if node.attr in _MODEL_METHODS:
        return True
    owner = ast.unparse(node.value).lower()
    last = owner.rpartition(".")[2].lstrip("_")
    if any(word in node.attr.lower() for word in _MODEL_WORDS) and owner == "self":
        return not node.attr.startswith(("_ensure", "_load", "load", "_get", "get"))
    return node.attr in {"encode", "run", "__call__"} and any(word in last for word in _MODEL_WORDS)


def _is_tokenizer(node: ast.expr) -> bool:
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    owner = ast.unparse(node.value) if isinstance(node, ast.Attribute) else ""
    encodes = name in {"encode", "tokenize", "encode_plus"} and "tokenizer" in owner.lower()
    return encodes or any(name.lower().lstrip("_") == word for word in _TOKENIZER_WORDS)


def _takes_slice(node: ast.Call) -> bool:
    """`texts[start : start + 32]` is a batch of its own."""
    slices = [part for argument in node.args for part in ast.walk(argument) if isinstance(part, ast.Slice)]
    return bool(slices)


def _zeros(handler: ast.ExceptHandler) -> Iterator[_Finding]:
    for node in ast.walk(handler):
        times = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) and isinstance(node.left, ast.List)
        is_zeros = isinstance(node, ast.Call) and getattr(node.func, "attr", "") in {"zeros", "zeros_like"}
        values = [getattr(item, "value", None) for item in node.left.elts] if times else []  # type: ignore[attr-defined]
        if is_zeros or values in ([0], [0.0]):
            fix = "Use None: that row fails with its reason, the others are written"
            message = "a row that fails gets an embedding of zeros, which searches will find"
            yield node, "ZERO001", message, fix  # type: ignore[misc]


def _index(function: _Function) -> Iterator[_Finding]:
    """Rows were dropped or moved, and then values are put in by position."""
    nodes = sorted(
        (node for node in _own_nodes(function) if isinstance(node, ast.Assign)), key=lambda node: node.lineno
    )
    moved: set[str] = set()
    counters = _counters(function)
    for node in nodes:
        target = node.targets[0]
        if isinstance(target, ast.Name):
            if _moves(node.value):
                moved.add(target.id)
            elif "reset_index" in ast.unparse(node.value):
                moved.discard(target.id)
        elif isinstance(target, ast.Subscript) and _owner(target) in moved and _by_position(node, target, counters):
            fix = "Call batch = batch.reset_index(drop=True) after dropping or sorting rows"
            yield node, "IDX001", "values are put in by position, but the index still has its old numbers", fix


def _moves(value: ast.expr) -> bool:
    text = ast.unparse(value)
    if "reset_index" in text or "ignore_index=True" in text:
        return False
    if isinstance(value, ast.Subscript):
        return isinstance(value.value, ast.Name) and isinstance(
            value.slice, ast.Compare | ast.UnaryOp | ast.Call | ast.BinOp
        )
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr in _REORDERS


def _owner(target: ast.Subscript) -> str:
    node = target.value
    return node.id if isinstance(node, ast.Name) else getattr(getattr(node, "value", None), "id", "")


def _by_position(node: ast.Assign, target: ast.Subscript, counters: set[str]) -> bool:
    if isinstance(target.value, ast.Attribute) and target.value.attr in {"at", "loc"}:
        first = target.slice.elts[0] if isinstance(target.slice, ast.Tuple) and target.slice.elts else target.slice
        return isinstance(first, ast.Name) and first.id in counters
    value = node.value
    is_series = isinstance(value, ast.Call) and getattr(value.func, "attr", getattr(value.func, "id", "")) == "Series"
    return is_series and not any(k.arg == "index" for k in value.keywords)  # type: ignore[attr-defined]


def _counters(function: _Function) -> set[str]:
    """Names that count from 0: of `enumerate` and `range`."""
    found = set()
    for node in _own_nodes(function):
        if isinstance(node, ast.For) and isinstance(node.iter, ast.Call):
            name = getattr(node.iter.func, "id", "")
            target = node.target
            if name == "enumerate" and isinstance(target, ast.Tuple):
                target = target.elts[0]
            if name in {"enumerate", "range"} and isinstance(target, ast.Name):
                found.add(target.id)
    return found
