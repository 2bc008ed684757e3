"""Calls: some functions take an attribute's name, a file's mode or code as a string."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from contextlib import suppress

from mixpeek_dagster.plugins.security import forbidden, rules
from mixpeek_dagster.plugins.security.annotations import AnnotationVisitor
from mixpeek_dagster.plugins.security.folding import Unfoldable

_OPEN_MODES = frozenset("rwaxbt+U")
_OPEN_OPTIONS = frozenset({"buffering", "encoding", "errors", "newline"})
_LOOKS = frozenset({"builtins.getattr", "builtins.hasattr", "builtins.dir"})
_QUERIES = frozenset({"pandas.eval", "pandas.core.computation.eval.eval"})
_TEMPLATES = frozenset({"jinja2.Template", "jinja2.environment.Template"})


class CallVisitor(AnnotationVisitor):
    """Visits calls and their arguments."""

    def visit_Call(self, node: ast.Call) -> None:
        """A call; some functions name attributes or code by a string."""
        names = self._resolver.origins(node.func, self._scope)
        if node.args and self._is_own(node.args[0]):
            # `object.__setattr__(self, ...)` is how a frozen dataclass sets its own.
            self._own.add(id(node.func))
        self._callee(node.func)
        arguments: list[ast.expr] = list(node.args)
        if "builtins.getattr" in names:
            self._getattr(node)
        if arguments and names & _LOOKS and self._resolver.is_only_builtin(node.func, self._scope):
            self._base(arguments.pop(0))
        for name in names:
            if check := _CALLS.get(name):
                check(self, node)
        if names & _QUERIES:
            self._query(node, bare=True)
        if isinstance(node.func, ast.Attribute):
            self._method(node, node.func, names)
        for value in (*arguments, *node.keywords):
            self.visit(value)

    def visit_keyword(self, node: ast.keyword) -> None:
        """Arguments that let libraries run what they load."""
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, bool) and node.arg:
            rule = forbidden.RISKY_KEYWORDS.get((node.arg, node.value.value))
            if rule is not None:
                self._found(node, rule, f"{node.arg}={node.value.value}")
        self.visit(node.value)

    def _callee(self, node: ast.expr) -> None:
        """A name that is called; only here is `getattr` itself no value that is handed on."""
        if isinstance(node, ast.Name):
            self._names(self._resolver.origins(node, self._scope), node)
        else:
            self.visit(node)

    def _method(self, node: ast.Call, function: ast.Attribute, names: frozenset[str]) -> None:
        if function.attr in {"format", "format_map"}:
            self._format(function)
        if function.attr in {"query", "eval"} and not names & _QUERIES:
            self._query(node, bare=False)
        if function.attr in {"from_string", "Template"} or names & _TEMPLATES:
            self._template(node)
        if function.attr == "__getattribute__" and len(node.args) > 1:
            self._getattr(node)
        if function.attr == "open" and not names:
            self._open(node, function)

    def _getattr(self, node: ast.Call) -> None:
        if len(node.args) < 2:
            self._found(node, rules.COMPUTED, "getattr")
            return
        base = self._resolver.origins(node.args[0], self._scope)
        try:
            attribute = self._resolver.text(node.args[1], self._scope)
        except Unfoldable:
            module = next(filter(None, map(forbidden.guarded_module, base)), None)
            if module is not None:
                self._found(node, rules.COMPUTED, module)
            return
        self._attribute_text(node, attribute, base)

    def _attribute_text(self, node: ast.Call, attribute: str, base: Iterable[str] = ()) -> None:
        """Attributes that a string names, as in `getattr(x, "a")` and `attrgetter("a.b")`."""
        names = {f"{name}.{attribute}" for name in base} or {f"?.{attribute}"}
        if self._names(names, node):
            return
        for part in attribute.split("."):
            if rule := forbidden.ATTRIBUTES.get(part):
                self._found(node, rule, f".{part}")
            elif not base and (part in forbidden.ALIASES or part in forbidden.GUARDED - forbidden.COMMON):
                self._found(node, rules.ESCAPE, part)
        if attribute == "__dict__" and any(map(forbidden.guarded_module, base)):
            self._found(node, rules.INTROSPECTION, ".__dict__")

    def _named_by_text(self, node: ast.Call) -> None:
        for argument in node.args:
            try:
                text = self._resolver.text(argument, self._scope)
            except Unfoldable:
                self._found(node, rules.COMPUTED, "operator")
                continue
            self._attribute_text(node, text)
            if text in forbidden.GUARDED:
                self._found(node, rules.ESCAPE, text)
            if text in forbidden.OS_FUNCTIONS:
                self._found(node, rules.EXECUTION, text)

    def _code_in_text(self, node: ast.Call) -> None:
        for value in (*node.args, *(keyword.value for keyword in node.keywords)):
            for part in ast.walk(value):
                if isinstance(part, ast.expr):
                    with suppress(Unfoldable):
                        self._text_annotation(self._resolver.text(part, self._scope), node)

    def _query(self, node: ast.Call, *, bare: bool) -> None:
        """In a query, pandas resolves `@name` among the caller's names; in `pandas.eval`, any name."""
        named = [keyword.value for keyword in node.keywords if keyword.arg == "expr"]
        for argument in (*node.args[:1], *named):
            try:
                text = self._resolver.text(argument, self._scope)
            except Unfoldable:
                if bare or (isinstance(node.func, ast.Attribute) and node.func.attr == "query"):
                    self._found(node, rules.COMPUTED_TEXT, "query")
                continue
            if bare or "@" in text:
                self._text_annotation(text.replace("@", ""), node)

    def _template(self, node: ast.Call) -> None:
        """Templates are programs, too: they look attributes up by texts of their own."""
        for argument in node.args[:1]:
            try:
                text = self._resolver.text(argument, self._scope)
            except Unfoldable:
                self._found(node, rules.COMPUTED_TEXT, "a template")
                continue
            if "__" in text or "attr(" in text.replace(" ", ""):
                self._found(node, rules.INTROSPECTION, "a template with attributes by name")

    def _vars(self, node: ast.Call) -> None:
        if not node.args:
            self._found(node, rules.INTROSPECTION, "vars()")
        elif any(map(forbidden.is_imported, self._resolver.origins(node.args[0], self._scope))):
            self._found(node, rules.INTROSPECTION, "vars")

    def _wraps(self, node: ast.Call) -> None:
        if any(keyword.arg == "assigned" for keyword in node.keywords) or len(node.args) > 2:
            self._found(node, rules.MUTATION, "assigned=")

    def _type(self, node: ast.Call) -> None:
        """The class of an open file opens others."""
        for argument in node.args[:1]:
            if isinstance(argument, ast.Attribute) and argument.attr in {"raw", "buffer", "file"}:
                self._found(node, rules.FILES, f"type(.{argument.attr})")

    def _format(self, function: ast.Attribute) -> None:
        try:
            text = self._resolver.text(function.value, self._scope)
        except Unfoldable:
            return
        for name, rule in forbidden.ATTRIBUTES.items():
            if name.startswith("__") and f".{name}" in text:
                self._found(function, rule, name)

    def _open(self, node: ast.Call, function: ast.Attribute) -> None:
        """`x.open()` and `x.open("rb")` are how a Path is opened; others open by a name."""
        values = [*node.args[:1], *(keyword.value for keyword in node.keywords if keyword.arg == "mode")]
        modes = [value.value for value in values if isinstance(value, ast.Constant)]
        named = {keyword.arg for keyword in node.keywords} & _OPEN_OPTIONS
        if named or any(isinstance(mode, str) and _is_mode(mode) for mode in modes):
            self._found(function, rules.FILES, ".open")
        elif not node.args and not node.keywords:
            self._found(function, rules.DOUBTFUL, ".open")


def _is_mode(text: str) -> bool:
    return 0 < len(text) <= 4 and set(text) <= _OPEN_MODES and bool(set(text) & set("rwax"))


_CALLS: dict[str, Callable[[CallVisitor, ast.Call], None]] = {
    "operator.attrgetter": CallVisitor._named_by_text,
    "operator.methodcaller": CallVisitor._named_by_text,
    "builtins.vars": CallVisitor._vars,
    "builtins.type": CallVisitor._type,
    "functools.update_wrapper": CallVisitor._wraps,
    "functools.wraps": CallVisitor._wraps,
    **dict.fromkeys(forbidden.STRINGS_AS_CODE, CallVisitor._code_in_text),
}
