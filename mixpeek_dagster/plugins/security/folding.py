"""Constant folding: what an expression is when it can be known without running the plugin."""

from __future__ import annotations

import ast
import base64
import binascii
import codecs
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from mixpeek_dagster.plugins.security.rules import words

_MAX_SIZE = 4096
_MAX_DEPTH = 40
TEXT_METHODS = words(
    "lower upper title capitalize swapcase casefold strip lstrip rstrip replace join removeprefix removesuffix"
    " encode decode format split rsplit hex zfill center ljust rjust translate"
)
_ENCODINGS = frozenset({"utf-8", "utf8", "ascii", "latin-1", "latin1", "rot13", "rot_13", "rot-13", "hex", "base64"})


class Names(Protocol):
    """What the names in an expression mean."""

    def values(self, node: ast.Name) -> Sequence[ast.expr]:
        """The expressions that a name may be bound to; nothing if one of them is not an expression."""
        ...

    def is_builtin(self, node: ast.Name) -> bool:
        """Whether a name can be nothing but Python's own."""
        ...

    def is_library(self, node: ast.Name) -> bool:
        """Whether a name can be nothing but the imported module of that name, or Python's own."""
        ...


class Unfoldable(Exception):
    """The value is known only when the plugin runs."""


class TooComplex(Exception):
    """More would have to be looked at than honest code needs."""


@dataclass
class Budget:
    """What folding and resolving may cost in one file.

    Args:
        steps: expressions that may still be looked at.
    """

    steps: int = 2_000_000

    def spend(self, steps: int = 1) -> None:
        """Take some of it.

        Raises:
            TooComplex: there is none left.
        """
        self.steps -= steps
        if self.steps < 0:
            raise TooComplex


def fold(node: ast.expr, names: Names, budget: Budget) -> Any:
    """The value of an expression made of constants.

    Args:
        node: the expression.
        names: what the names in it mean.
        budget: what it may cost.

    Raises:
        Unfoldable: it depends on what happens at run time, or is too large.
        TooComplex: the budget is spent.
    """
    try:
        return _Folder(names, budget).fold(node, 0)
    except (
        TypeError,
        ValueError,
        LookupError,
        AttributeError,
        OverflowError,
        ArithmeticError,
        binascii.Error,
    ) as error:
        raise Unfoldable from error


def fold_text(node: ast.expr, names: Names, budget: Budget) -> str:
    """The text that an expression is.

    Raises:
        Unfoldable: it is no text, or depends on what happens at run time.
        TooComplex: the budget is spent.
    """
    value = fold(node, names, budget)
    if not isinstance(value, str):
        raise Unfoldable
    return value


class _Folder:
    def __init__(self, names: Names, budget: Budget) -> None:
        self._names = names
        self._budget = budget
        self._local: dict[str, Any] = {}

    def fold(self, node: ast.expr, depth: int) -> Any:
        handler = _HANDLERS.get(type(node))
        if handler is None or depth > _MAX_DEPTH:
            raise Unfoldable
        self._budget.spend()
        value = handler(self, node, depth + 1)
        if isinstance(value, str | bytes | list | tuple | dict):
            if len(value) > _MAX_SIZE:
                raise Unfoldable
            self._budget.spend(len(value) // 64)
        return value

    def _constant(self, node: ast.Constant, _: int) -> Any:
        return node.value

    def _name(self, node: ast.Name, depth: int) -> Any:
        if node.id in self._local:
            return self._local[node.id]
        values = self._names.values(node)
        if len(values) != 1:
            raise Unfoldable
        value = self.fold(values[0], depth)
        # What can be changed after it was bound is not known by its first value.
        return value if isinstance(value, str | bytes | int | tuple) else self._refuse()

    def _binary(self, node: ast.BinOp, depth: int) -> Any:
        left, right = self.fold(node.left, depth), self.fold(node.right, depth)
        match node.op:
            case ast.Add():
                return left + right
            case ast.Sub() | ast.BitXor() if isinstance(left, int) and isinstance(right, int):
                return left - right if isinstance(node.op, ast.Sub) else left ^ right
            case ast.Mult() if isinstance(left, int) or isinstance(right, int):
                return left * right if _small(left, right) else self._refuse()
            case ast.Mod() if isinstance(left, str) and len(left) < 200:
                return left % right if "*" not in left and not any(c.isdigit() for c in left) else self._refuse()
            case _:
                return self._refuse()

    def _joined(self, node: ast.JoinedStr, depth: int) -> str:
        return "".join(str(self.fold(value, depth)) for value in node.values)

    def _formatted(self, node: ast.FormattedValue, depth: int) -> Any:
        return self.fold(node.value, depth) if node.format_spec is None else self._refuse()

    def _sequence(self, node: ast.List | ast.Tuple, depth: int) -> Any:
        items = [self.fold(item, depth) for item in node.elts]
        return items if isinstance(node, ast.List) else tuple(items)

    def _dict(self, node: ast.Dict, depth: int) -> Any:
        if any(key is None for key in node.keys):
            raise Unfoldable
        keys = [self.fold(key, depth) for key in node.keys if key is not None]
        return dict(zip(keys, [self.fold(value, depth) for value in node.values], strict=True))

    def _subscript(self, node: ast.Subscript, depth: int) -> Any:
        value = self.fold(node.value, depth)
        if not isinstance(node.slice, ast.Slice):
            return value[self.fold(node.slice, depth)]
        lower, upper, step = (
            None if part is None else self.fold(part, depth)
            for part in (node.slice.lower, node.slice.upper, node.slice.step)
        )
        return value[lower:upper:step]

    def _comprehension(self, node: ast.ListComp | ast.GeneratorExp, depth: int) -> list[Any]:
        (generator,) = node.generators if len(node.generators) == 1 else self._refuse()
        if generator.ifs or not isinstance(generator.target, ast.Name):
            raise Unfoldable
        results = []
        for item in self.fold(generator.iter, depth)[:_MAX_SIZE]:
            self._budget.spend()
            self._local[generator.target.id] = item
            results.append(self.fold(node.elt, depth))
        self._local.pop(generator.target.id, None)
        return results

    def _negative(self, node: ast.UnaryOp, depth: int) -> Any:
        return -self.fold(node.operand, depth) if isinstance(node.op, ast.USub) else self._refuse()

    def _call(self, node: ast.Call, depth: int) -> Any:
        if node.keywords or any(isinstance(argument, ast.Starred) for argument in node.args):
            raise Unfoldable
        if isinstance(node.func, ast.Name):
            return self._function(node.func, node.args, depth)
        if not isinstance(node.func, ast.Attribute):
            raise Unfoldable
        method, base = node.func.attr, node.func.value
        if isinstance(base, ast.Name) and (base.id, method) in _LIBRARY and self._names.is_library(base):
            return _LIBRARY[base.id, method](*[self.fold(argument, depth) for argument in node.args])
        value = self.fold(base, depth) if method in TEXT_METHODS | {"get"} else self._refuse()
        arguments = [self.fold(argument, depth) for argument in node.args]
        if isinstance(value, dict) and method == "get":
            return value.get(*arguments)
        if not isinstance(value, str | bytes) or any(isinstance(a, int) and a > _MAX_SIZE for a in arguments):
            raise Unfoldable
        if method in {"encode", "decode"} and any(argument not in _ENCODINGS for argument in arguments):
            raise Unfoldable
        if method == "format" and any(c in value for c in (":", "!", ".", "[")):
            raise Unfoldable
        if method == "join" and sum(map(len, *arguments)) > _MAX_SIZE:
            raise Unfoldable
        return getattr(value, method)(*arguments)

    def _function(self, node: ast.Name, nodes: list[ast.expr], depth: int) -> Any:
        name = node.id
        if not self._names.is_builtin(node):
            raise Unfoldable
        if name == "map" and len(nodes) == 2 and isinstance(nodes[0], ast.Name) and nodes[0].id in _FUNCTIONS:
            return [_FUNCTIONS[nodes[0].id](item) for item in self.fold(nodes[1], depth)]
        if name not in _FUNCTIONS:
            raise Unfoldable
        arguments = [self.fold(argument, depth) for argument in nodes]
        if name == "bytes" and arguments and isinstance(arguments[0], int):
            raise Unfoldable
        if name in {"str", "repr", "ascii"} and not all(isinstance(a, str | bytes | int) for a in arguments):
            raise Unfoldable
        return _FUNCTIONS[name](*arguments)

    def _refuse(self) -> Any:
        raise Unfoldable


def _small(left: Any, right: Any) -> bool:
    """Whether a product stays small; sizes are counted before they are made."""
    factors = [value if isinstance(value, int) else len(value) for value in (left, right)]
    return abs(factors[0] * factors[1]) <= _MAX_SIZE


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "chr": chr,
    "ord": ord,
    "str": str,
    "bytes": bytes,
    "bytearray": bytes,
    "list": list,
    "tuple": tuple,
    "reversed": lambda value: list(reversed(value)),
    "sorted": sorted,
    "int": int,
    "ascii": ascii,
    "repr": repr,
}
_LIBRARY: dict[tuple[str, str], Callable[..., Any]] = {
    ("base64", "b64decode"): base64.b64decode,
    ("base64", "b32decode"): base64.b32decode,
    ("base64", "b16decode"): base64.b16decode,
    ("base64", "b85decode"): base64.b85decode,
    ("binascii", "unhexlify"): binascii.unhexlify,
    ("binascii", "a2b_base64"): binascii.a2b_base64,
    ("bytes", "fromhex"): bytes.fromhex,
    ("codecs", "decode"): lambda value, encoding: codecs.decode(value, encoding) if encoding in _ENCODINGS else "",
}
_HANDLERS: dict[type[ast.expr], Callable[..., Any]] = {
    ast.Constant: _Folder._constant,
    ast.Name: _Folder._name,
    ast.BinOp: _Folder._binary,
    ast.UnaryOp: _Folder._negative,
    ast.JoinedStr: _Folder._joined,
    ast.FormattedValue: _Folder._formatted,
    ast.List: _Folder._sequence,
    ast.Tuple: _Folder._sequence,
    ast.Dict: _Folder._dict,
    ast.Subscript: _Folder._subscript,
    ast.ListComp: _Folder._comprehension,
    ast.GeneratorExp: _Folder._comprehension,
    ast.Call: _Folder._call,
}
