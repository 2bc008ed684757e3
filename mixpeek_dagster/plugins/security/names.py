"""What names mean: scopes of a file, and the absolute dotted names that an expression may stand for.

The analysis does not follow the order of statements: a name means everything that it is ever bound to in its scope.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Sequence

from mixpeek_dagster.plugins.security.folding import Budget, TooComplex, Unfoldable, fold_text
from mixpeek_dagster.plugins.security.forbidden import PATH_LISTS, PATH_STEPS, is_builtin, is_interesting
from mixpeek_dagster.plugins.security.rules import PATH
from mixpeek_dagster.plugins.security.scopes import Binding, Scope

NOTHING: frozenset[str] = frozenset()
_ANYTHING = frozenset({"?.os"})
"""What is chosen at run time can be a module, and of those only the worst has functions with names of its own."""
_MAX_DEPTH = 150
_MAX_NAMES = 64
_MAX_NAME = 400
EXCEPTION = "?.exception"
"""How what an except clause caught is written among the names."""
_PATHS = f"{PATH}[]"
_SAME_ITEMS = frozenset({"builtins.sorted", "builtins.list", "builtins.tuple"})
_PATH_MAKERS = frozenset({"pathlib.Path", "pathlib.PosixPath", "pathlib.Path.cwd", "pathlib.Path.home"})
Functions = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


Exports = Callable[[str], frozenset[str]]
"""Gives the absolute names that a name of the plugin's own, as `.core.helper`, stands for."""


class Resolver:
    """Resolves expressions of one file.

    Args:
        exports: looks into the plugin's other files.
        modules: names of those files, as `.processors.core`.
    """

    def __init__(self, exports: Exports | None = None, modules: Collection[str] = ()) -> None:
        self._exports = exports
        self._modules = modules
        self._budget = Budget()
        # The node is kept, so that its id stays its own.
        self._found: dict[tuple[int, int], tuple[ast.expr, frozenset[str]]] = {}
        self._bound: dict[tuple[int, str], frozenset[str]] = {}
        self._busy: set[tuple[int, str]] = set()
        self._scopes: list[Scope] = []

    def origins(self, node: ast.expr, scope: Scope, depth: int = 0) -> frozenset[str]:
        """Dotted names that an expression may stand for; empty if none can be known.

        Raises:
            TooComplex: there are too many, or they are too deeply nested.
        """
        key = (id(node), id(scope))
        if key not in self._found:
            self._found[key] = (node, self._origins(node, scope, depth))
        return self._found[key][1]

    def _origins(self, node: ast.expr, scope: Scope, depth: int) -> frozenset[str]:
        if depth > _MAX_DEPTH:
            raise TooComplex
        self._budget.spend()
        match node:
            case ast.Name():
                found = [self.name(node.id, scope, node.lineno)]
            case ast.Attribute():
                found = [self._attribute(node, scope, depth + 1)]
            case ast.BinOp(op=ast.Div()):
                found = [self.origins(node.left, scope, depth + 1) & {PATH}]
            case ast.Call():
                found = [self._call(node, scope, depth + 1)]
            case ast.Subscript() if self.is_namespace(node.value, scope, depth):
                found = [self._looked_up(node.slice, scope)]
            case _:
                found = [self.origins(value, scope, depth + 1) for value in _alternatives(node)]
        names = NOTHING.union(*found)
        if len(names) > _MAX_NAMES or any(len(name) > _MAX_NAME for name in names):
            raise TooComplex
        return names

    def is_namespace(self, node: ast.expr, scope: Scope, depth: int = 0) -> bool:
        """Whether an expression is the dictionary of a module or object, or may be one."""
        if isinstance(node, ast.Attribute):
            return node.attr == "__dict__"
        if not isinstance(node, ast.Call):
            return False
        functions = self.origins(node.func, scope, depth + 1)
        if "builtins.getattr" in functions and len(node.args) >= 2:
            return self._getattr(node, scope, depth + 1) == _ANYTHING
        return "builtins.vars" in functions

    def is_own_module(self, name: str) -> bool:
        """Whether a resolved name is one of the plugin's own files."""
        return name in self._modules

    def name(self, name: str, scope: Scope, line: int) -> frozenset[str]:
        """Dotted names that a name may stand for on a line."""
        found: frozenset[str] = NOTHING
        for at in scope.lookup(name):
            bindings = at.bound.get(name)
            if bindings is None:
                continue
            found |= self._of(name, bindings, at)
            if at.kind in {"function", "comprehension"} or self._shadows(name, bindings, at, line):
                return found
        return found | {f"builtins.{name}"} if is_builtin(name) else found

    def is_only_builtin(self, node: ast.expr, scope: Scope) -> bool:
        """Whether an expression is a name that can be nothing but Python's own."""
        return isinstance(node, ast.Name) and _Meanings(scope).is_builtin(node)

    def values(self, node: ast.Name, scope: Scope) -> list[ast.expr]:
        """The expressions that a name may be bound to; empty if one of its bindings is no expression."""
        return _Meanings(scope).values(node)

    def text(self, node: ast.expr, scope: Scope) -> str:
        """The text that an expression is.

        Raises:
            Unfoldable: it can be known only at run time.
        """
        return fold_text(node, _Meanings(scope), self._budget)

    def _shadows(self, name: str, bindings: list[Binding], scope: Scope, line: int) -> bool:
        if scope.kind != "module" or name in scope.deleted:
            return False
        return any(binding.certain and binding.end < line for binding in bindings)

    def _of(self, name: str, bindings: list[Binding], scope: Scope) -> frozenset[str]:
        key = (id(scope), name)
        if key not in self._bound:
            if key in self._busy:
                # A name that hangs on itself can be anything.
                return _ANYTHING
            self._busy.add(key)
            # The scope is held so that its id stays its own.
            self._scopes.append(scope)
            self._bound[key] = frozenset().union(*(self._binding(b, scope) for b in bindings))
            self._busy.discard(key)
        return self._bound[key]

    def _binding(self, binding: Binding, scope: Scope) -> frozenset[str]:
        if binding.origin:
            own = binding.origin.startswith(".") and self._exports is not None
            return frozenset({binding.origin}) | (self._exports(binding.origin) if own and self._exports else NOTHING)
        if binding.bases:
            inherited = frozenset().union(*(self.origins(base, scope) for base in binding.bases))
            return frozenset(name for name in inherited if name in _PATH_MAKERS)
        if binding.kind is not None and self.origins(binding.kind, scope) & _PATH_MAKERS:
            return frozenset({PATH})
        if binding.value is None:
            return NOTHING
        found = self.origins(binding.value, scope)
        if not binding.item:
            return found
        return frozenset({PATH}) if _PATHS in found else NOTHING

    def _attribute(self, node: ast.Attribute, scope: Scope, depth: int) -> frozenset[str]:
        bases = self.origins(node.value, scope, depth)
        if EXCEPTION in bases and node.attr == "obj":
            return _ANYTHING
        if not bases:
            return frozenset({f"?.{node.attr}"}) if is_interesting(node.attr) else NOTHING
        found = set()
        for base in bases:
            if base == PATH and node.attr in {"parent", "parents"}:
                found.add(PATH)
            else:
                found.add(f"{base}.{node.attr}")
                if base.startswith(".") and self._exports is not None:
                    found |= self._exports(f"{base}.{node.attr}")
        return frozenset(found)

    def _call(self, node: ast.Call, scope: Scope, depth: int) -> frozenset[str]:
        functions = self.origins(node.func, scope, depth)
        if "builtins.getattr" in functions and len(node.args) >= 2:
            return self._getattr(node, scope, depth)
        if isinstance(node.func, ast.Attribute) and node.args and self.is_namespace(node.func.value, scope, depth):
            return self._looked_up(node.args[0], scope)
        if functions & _SAME_ITEMS and node.args:
            return self.origins(node.args[0], scope, depth)
        return frozenset(filter(None, map(_path_made_by, functions)))

    def _getattr(self, node: ast.Call, scope: Scope, depth: int) -> frozenset[str]:
        try:
            attribute = self.text(node.args[1], scope)
        except Unfoldable:
            return _ANYTHING
        bases = self.origins(node.args[0], scope, depth)
        if not bases:
            return frozenset({f"?.{attribute}"}) if is_interesting(attribute) else NOTHING
        return frozenset(f"{base}.{attribute}" for base in bases)

    def _looked_up(self, key: ast.expr, scope: Scope) -> frozenset[str]:
        try:
            return frozenset({f"?.{self.text(key, scope)}"})
        except Unfoldable:
            return _ANYTHING


def _alternatives(node: ast.expr) -> Sequence[ast.expr]:
    """Parts of an expression that may be its value."""
    match node:
        case ast.NamedExpr() | ast.Await() | ast.Starred():
            return (node.value,)
        case ast.IfExp():
            return (node.body, node.orelse)
        case ast.BoolOp():
            return node.values
    return ()


def _path_made_by(function: str) -> str:
    """What a call of a function gives if it is a path or paths; empty if not."""
    base, _, method = function.rpartition(".")
    if function in _PATH_MAKERS or (base == PATH and method in PATH_STEPS):
        return PATH
    return _PATHS if base == PATH and method in PATH_LISTS else ""


class _Meanings:
    """What names mean to the folding of an expression in a scope."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def values(self, node: ast.Name) -> list[ast.expr]:
        for at in self._scope.lookup(node.id):
            bindings = at.bound.get(node.id, [])
            values = [b.value for b in bindings if b.value is not None and not b.item and not b.origin]
            if bindings:
                return values if len(values) == len(bindings) else []
        return []

    def is_builtin(self, node: ast.Name) -> bool:
        return not any(node.id in at.bound for at in self._scope.lookup(node.id))

    def is_library(self, node: ast.Name) -> bool:
        bindings = [binding for at in self._scope.lookup(node.id) for binding in at.bound.get(node.id, [])]
        return all(binding.origin == node.id for binding in bindings)
