"""What every part of the visit shares: resolving names in the scope at hand, and reporting what breaks a rule."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from mixpeek_dagster.plugins.security import forbidden, rules
from mixpeek_dagster.plugins.security.names import Functions, Resolver
from mixpeek_dagster.plugins.security.rules import Rule
from mixpeek_dagster.plugins.security.scopes import Scope

Report = Callable[[int, int, Rule, str], None]
"""Takes line and column, both from 1, the rule that is broken and what breaks it."""
_EXPLICIT = {
    "__getattribute__": rules.INTROSPECTION,
    "__setattr__": rules.MUTATION,
    "__delattr__": rules.MUTATION,
}


class Reporter(ast.NodeVisitor):
    """A visitor that knows its scope.

    Args:
        scopes: what the file's scopes bind.
        scope: the file's own.
        resolver: says what names mean.
        report: gets each finding.
    """

    def __init__(self, scopes: dict[ast.AST, Scope], scope: Scope, resolver: Resolver, report: Report) -> None:
        self._scopes = scopes
        self._scope = scope
        self._resolver = resolver
        self._report = report
        self._own: set[int] = set()

    def _imported(self, name: str, at: ast.alias) -> Rule | None:
        hit = forbidden.rule_for(name)
        if hit is not None:
            self._found(at, hit[1], hit[0])
        return hit[1] if hit is not None else None

    def _names(self, names: Iterable[str], at: ast.AST) -> Rule | None:
        hit = forbidden.broken_by(names)
        if hit is None:
            return None
        what, rule = hit
        # A module that may not be imported was found where it is; what is used of it would only repeat that.
        if what not in forbidden.MODULES or all(name.partition(".")[0] != what for name in names):
            self._found(at, rule, what.removeprefix("builtins."))
        return rule

    def _base(self, node: ast.expr) -> None:
        """What an attribute is taken of: the chain is judged as a whole, so here only what is not in its name."""
        match node:
            case ast.Name():
                self._names(self._resolver.origins(node, self._scope), node)
            case ast.Attribute():
                self._link(node, self._resolver.origins(node, self._scope))
                self._base(node.value)
            case ast.IfExp():
                self.visit(node.test)
                self._base(node.body)
                self._base(node.orelse)
            case ast.NamedExpr():
                self._base(node.value)
            case _:
                self.visit(node)

    def _link(self, node: ast.Attribute, names: Iterable[str]) -> None:
        """An attribute that no object may be asked for."""
        rule = forbidden.ATTRIBUTES.get(node.attr)
        if rule is not None and not forbidden.broken_by(names):
            self._found(node, rule, f".{node.attr}")
        if node.attr == "__dict__" and any(
            map(forbidden.guarded_module, self._resolver.origins(node.value, self._scope))
        ):
            self._found(node, rules.INTROSPECTION, ".__dict__")
        explicit = _EXPLICIT.get(node.attr)
        if explicit is not None and id(node) not in self._own and not _is_super(node.value):
            self._found(node, explicit, f".{node.attr}")

    def _is_own(self, node: ast.expr) -> bool:
        """Whether an expression is a method's own object."""
        if not isinstance(node, ast.Name):
            return False
        function = next((scope for scope in self._scope.chain() if scope.kind == "function"), None)
        bound = function.bound.get(node.id, []) if function is not None else []
        return function is not None and function.first == node.id and len(bound) == 1

    def _found(self, at: Any, rule: Rule, what: str) -> None:
        self._report(at.lineno, at.col_offset + 1, rule, what)

    @contextmanager
    def _inside(self, node: ast.AST | Functions) -> Iterator[None]:
        outer = self._scope
        # An annotation that was parsed out of a string has no scopes of its own.
        self._scope = self._scopes.get(node, outer)
        yield
        self._scope = outer


def _is_super(node: ast.expr) -> bool:
    plain = isinstance(node, ast.Call) and not node.args and not node.keywords
    return plain and isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"
