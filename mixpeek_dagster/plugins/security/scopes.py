"""Scopes of a file, and what binds names in them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Binding:
    """One way in which a name gets its value.

    Args:
        end: the last line of the statement that does it, behind which it holds.
        certain: whether it happens whenever the scope is run, so that the name cannot mean a builtin afterwards.
        origin: the dotted name that an import gives.
        value: the expression that it is made equal to.
        item: the name is bound to the items of `value`, not to `value` itself.
        kind: the class of which it is an instance, by its annotation.
        bases: the bases of the class that it is.
    """

    end: int
    certain: bool = False
    origin: str = ""
    value: ast.expr | None = None
    item: bool = False
    kind: ast.expr | None = None
    bases: tuple[ast.expr, ...] = ()


@dataclass
class Scope:
    """A module, class, function or comprehension, and what it binds."""

    kind: str
    parent: Scope | None = None
    bound: dict[str, list[Binding]] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    elsewhere: dict[str, list[Scope]] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    first: str = ""

    def bind(self, name: str, binding: Binding) -> None:
        """Add a binding where `global` and `nonlocal` say that it goes."""
        for scope in self.elsewhere.get(name, [self]):
            scope.bound.setdefault(name, []).append(binding)

    def lookup(self, name: str) -> Iterator[Scope]:
        """The scopes in which a name is looked up, from the inside."""
        if name in self.elsewhere:
            yield from self.elsewhere[name]
            yield self.module
        else:
            yield from self.chain()

    def chain(self) -> Iterator[Scope]:
        """This scope and those around it; classes show their names only to themselves."""
        yield self
        scope = self.parent
        while scope is not None:
            if scope.kind != "class":
                yield scope
            scope = scope.parent

    @property
    def module(self) -> Scope:
        """The file's own scope."""
        scope = self
        while scope.parent is not None:
            scope = scope.parent
        return scope
