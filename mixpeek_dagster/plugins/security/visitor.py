"""Holds one file's syntax tree against the rules."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from mixpeek_dagster.plugins.security import rules
from mixpeek_dagster.plugins.security.folding import Unfoldable
from mixpeek_dagster.plugins.security.names import Functions, Resolver, Scope
from mixpeek_dagster.plugins.security.rules import Rule

Report = Callable[[int, int, Rule, str], None]
"""Takes line and column, both from 1, the rule that is broken and what breaks it."""
_OPEN_MODES = frozenset("rwaxbt+U")
_EXPLICIT = {
    "__getattribute__": rules.INTROSPECTION,
    "__setattr__": rules.MUTATION,
    "__delattr__": rules.MUTATION,
}
_TYPED = (
    ast.Assign | ast.For | ast.AsyncFor | ast.With | ast.AsyncWith | ast.FunctionDef | ast.AsyncFunctionDef | ast.arg
)


class Visitor(ast.NodeVisitor):
    """Reports everything that a file may not do.

    Args:
        scopes: what the file's scopes bind.
        resolver: says what names mean.
        report: gets each finding, once.
    """

    def __init__(self, scopes: dict[ast.AST, Scope], scope: Scope, resolver: Resolver, report: Report) -> None:
        self._scopes = scopes
        self._scope = scope
        self._resolver = resolver
        self._report = report
        self._own: set[int] = set()

    def generic_visit(self, node: ast.AST) -> None:
        """Go into a node; a type comment is an annotation, too."""
        comment = getattr(node, "type_comment", None)
        if comment and isinstance(node, _TYPED):
            self._text_annotation(comment.removeprefix("ignore"), node)
        super().generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        """What is imported, and that no class holds a guarded module, where `self.x` would reach it."""
        for alias in node.names:
            found = self._imported(alias.name, alias)
            if not found and self._scope.kind == "class" and rules.guarded_module(alias.name):
                self._found(alias, rules.ESCAPE, alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """What is imported by name; a star from a guarded module takes everything."""
        if node.level:
            return
        module = node.module or ""
        for alias in node.names:
            if self._imported(f"{module}.{alias.name}", alias):
                continue
            star = alias.name == "*" and rules.guarded_module(module)
            if star or (self._scope.kind == "class" and rules.guarded_module(f"{module}.{alias.name}")):
                self._found(alias, rules.ESCAPE, module if star else alias.name)

    def visit_Name(self, node: ast.Name) -> None:
        """A name on its own is a value that goes somewhere."""
        if isinstance(node.ctx, ast.Load):
            self._value(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """A chain of attributes, as a whole and link by link."""
        self._value(node)
        self._base(node.value)

    def visit_Assign(self, node: ast.Assign) -> None:
        """`o = os` is followed by name, so it is no escape; anywhere else it is."""
        followed = self._scope.kind != "class" and all(isinstance(t, ast.Name | ast.Tuple) for t in node.targets)
        self._assigned(node.value, followed)
        for target in node.targets:
            self.visit(target)
        if node.type_comment:
            self._text_annotation(node.type_comment, node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        """As an assignment; the annotation is code."""
        self._annotation(node.annotation)
        self.visit(node.target)
        if node.value is not None:
            self._assigned(node.value, self._scope.kind != "class" and isinstance(node.target, ast.Name))

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        """As an assignment, and a value as well."""
        self.visit(node.value)

    def visit_Expr(self, node: ast.Expr) -> None:
        """A module that is only named goes nowhere."""
        self._assigned(node.value, True)

    def visit_Call(self, node: ast.Call) -> None:
        """A call; some functions name attributes or code by a string."""
        names = self._resolver.origins(node.func, self._scope)
        if node.args and self._is_own(node.args[0]):
            # `object.__setattr__(self, ...)` is how a frozen dataclass sets its own.
            self._own.add(id(node.func))
        self.visit(node.func)
        arguments: list[ast.expr] = list(node.args)
        if names & {"builtins.getattr", "builtins.hasattr", "builtins.dir"} and arguments:
            if "builtins.getattr" in names:
                self._getattr(node)
            self._base(arguments.pop(0))
        for name in names:
            if check := _CALLS.get(name):
                check(self, node)
        if isinstance(node.func, ast.Attribute):
            self._method(node, node.func, names)
        for value in (*arguments, *node.keywords):
            self.visit(value)

    def visit_keyword(self, node: ast.keyword) -> None:
        """Arguments that let libraries run what they load."""
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, bool) and node.arg:
            rule = rules.RISKY_KEYWORDS.get((node.arg, node.value.value))
            if rule is not None:
                self._found(node, rule, f"{node.arg}={node.value.value}")
        self.visit(node.value)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        """`namespace["eval"]` is `eval`, whatever the namespace is."""
        if self._resolver.is_namespace(node.value, self._scope):
            try:
                key = self._resolver.text(node.slice, self._scope)
            except Unfoldable:
                key = ""
            if rules.names_danger(key):
                self._found(node, rules.INTROSPECTION, f"[{key!r}]")
            self._base(node.value)
        else:
            self.visit(node.value)
        self.visit(node.slice)

    def visit_Constant(self, node: ast.Constant) -> None:
        """A class's annotations can be given as a dict, whose strings libraries run."""
        if node.value == "__annotations__":
            self._found(node, rules.INTROSPECTION, "__annotations__")

    def visit_MatchClass(self, node: ast.MatchClass) -> None:
        """`case object(__globals__=g)` reads an attribute."""
        for attribute in node.kwd_attrs:
            if rule := rules.ATTRIBUTES.get(attribute):
                self._found(node, rule, attribute)
            elif attribute in rules.OS_FUNCTIONS:
                self._found(node, rules.EXECUTION, attribute)
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """Decorators, defaults and annotations are run outside of the function."""
        for decorator in node.decorator_list:
            self.visit(decorator)
        if node.returns is not None:
            self._annotation(node.returns)
        if node.type_comment:
            self._function_comment(node.type_comment, node)
        for parameter in getattr(node, "type_params", ()):
            self.visit(parameter)
        self._arguments(node.args)
        with self._inside(node):
            for statement in node.body:
                self.visit(statement)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> None:
        """As a function."""
        self._arguments(node.args)
        with self._inside(node):
            self.visit(node.body)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """Decorators, bases and keywords are run outside of the class."""
        for outside in (*node.decorator_list, *node.bases, *node.keywords, *getattr(node, "type_params", ())):
            self.visit(outside)
        with self._inside(node):
            for statement in node.body:
                self.visit(statement)

    def visit_ListComp(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> None:
        """A comprehension has names of its own."""
        with self._inside(node):
            self.generic_visit(node)

    visit_SetComp = visit_DictComp = visit_GeneratorExp = visit_ListComp

    def _value(self, node: ast.Name | ast.Attribute) -> None:
        """A name or attribute chain that is used as a value."""
        names = self._resolver.origins(node, self._scope)
        hit = self._names(names, node)
        if hit is None or hit.severity != "error":
            module = next(filter(None, map(rules.guarded_module, names)), None)
            if module is not None:
                self._found(node, rules.ESCAPE, module)
            elif any(name.endswith(".__dict__") and rules.is_imported(name) for name in names):
                self._found(node, rules.INTROSPECTION, ".__dict__")
        if isinstance(node, ast.Attribute):
            self._link(node, names)

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

    def _assigned(self, node: ast.expr, followed: bool) -> None:
        match node:
            case ast.Name() | ast.Attribute() if followed:
                self._base(node)
                self._names(self._resolver.origins(node, self._scope), node)
            case ast.Tuple() if followed:
                for item in node.elts:
                    self._assigned(item, followed)
            case ast.IfExp() if followed:
                self.visit(node.test)
                self._assigned(node.body, followed)
                self._assigned(node.orelse, followed)
            case _:
                self.visit(node)

    def _link(self, node: ast.Attribute, names: Iterable[str]) -> None:
        """An attribute that no object may be asked for."""
        rule = rules.ATTRIBUTES.get(node.attr)
        if rule is not None and not rules.broken_by(names):
            self._found(node, rule, f".{node.attr}")
        if node.attr == "__dict__" and any(map(rules.guarded_module, self._resolver.origins(node.value, self._scope))):
            self._found(node, rules.INTROSPECTION, ".__dict__")
        explicit = _EXPLICIT.get(node.attr)
        if explicit is not None and id(node) not in self._own and not _is_super(node.value):
            self._found(node, explicit, f".{node.attr}")

    def _is_own(self, node: ast.expr) -> bool:
        named = isinstance(node, ast.Name) and node.id in {"self", "cls"}
        return named and not self._resolver.origins(node, self._scope)

    def _method(self, node: ast.Call, function: ast.Attribute, names: frozenset[str]) -> None:
        if function.attr in {"format", "format_map"}:
            self._format(function)
        if function.attr in {"query", "eval"}:
            self._query(node)
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
            module = next(filter(None, map(rules.guarded_module, base)), None)
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
            if rule := rules.ATTRIBUTES.get(part):
                self._found(node, rule, f".{part}")
        if attribute == "__dict__" and any(map(rules.guarded_module, base)):
            self._found(node, rules.INTROSPECTION, ".__dict__")

    def _named_by_text(self, node: ast.Call) -> None:
        for argument in node.args:
            try:
                text = self._resolver.text(argument, self._scope)
            except Unfoldable:
                self._found(node, rules.COMPUTED, "operator")
                continue
            self._attribute_text(node, text)
            if text in rules.OS_FUNCTIONS:
                self._found(node, rules.EXECUTION, text)

    def _code_in_text(self, node: ast.Call) -> None:
        for value in (*node.args, *(keyword.value for keyword in node.keywords)):
            for part in ast.walk(value):
                if isinstance(part, ast.expr):
                    with suppress(Unfoldable):
                        self._text_annotation(self._resolver.text(part, self._scope), node)

    def _query(self, node: ast.Call) -> None:
        """pandas resolves `@name` in a query among the caller's names."""
        for argument in node.args[:1]:
            with suppress(Unfoldable):
                text = self._resolver.text(argument, self._scope)
                if "@" in text:
                    self._text_annotation(text.replace("@", ""), node)

    def _vars(self, node: ast.Call) -> None:
        if not node.args:
            self._found(node, rules.INTROSPECTION, "vars()")
        elif any(map(rules.is_imported, self._resolver.origins(node.args[0], self._scope))):
            self._found(node, rules.INTROSPECTION, "vars")

    def _format(self, function: ast.Attribute) -> None:
        try:
            text = self._resolver.text(function.value, self._scope)
        except Unfoldable:
            return
        for name, rule in rules.ATTRIBUTES.items():
            if name.startswith("__") and f".{name}" in text:
                self._found(function, rule, name)

    def _open(self, node: ast.Call, function: ast.Attribute) -> None:
        """`x.open()` and `x.open("rb")` are how a Path is opened; others open by a name."""
        values = [*node.args[:1], *(keyword.value for keyword in node.keywords if keyword.arg == "mode")]
        modes = [value.value for value in values if isinstance(value, ast.Constant)]
        if any(isinstance(mode, str) and _is_mode(mode) for mode in modes):
            self._found(function, rules.FILES, ".open")
        elif not node.args and not node.keywords:
            self._found(function, rules.DOUBTFUL, ".open")

    def _arguments(self, node: ast.arguments) -> None:
        for argument in (*node.posonlyargs, *node.args, *node.kwonlyargs, node.vararg, node.kwarg):
            if argument is not None and argument.annotation is not None:
                self._annotation(argument.annotation)
            if argument is not None and argument.type_comment:
                self._text_annotation(argument.type_comment, argument)
        for default in (*node.defaults, *node.kw_defaults):
            if default is not None:
                self.visit(default)

    def _annotation(self, node: ast.expr) -> None:
        """Annotations are code, and so are the strings in them, except in `Literal`."""
        text = None
        with suppress(Unfoldable):
            text = self._resolver.text(node, self._scope)
        if text is not None:
            self._text_annotation(text, node)
        elif isinstance(node, ast.Subscript):
            self.visit(node.value)
            names = self._resolver.origins(node.value, self._scope)
            if not names or not names <= _LITERALS:
                self._annotation(node.slice)
        elif isinstance(node, ast.Tuple | ast.List):
            for item in node.elts:
                self._annotation(item)
        elif isinstance(node, ast.BinOp):
            self._annotation(node.left)
            self._annotation(node.right)
        else:
            self.visit(node)

    def _text_annotation(self, text: str, at: Any) -> None:
        try:
            tree = ast.parse(text.strip(), mode="eval")
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            return
        self._visit_moved(tree.body, at)

    def _function_comment(self, text: str, at: ast.AST) -> None:
        try:
            tree = ast.parse(text, mode="func_type")
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            return
        for part in (*tree.argtypes, tree.returns):
            self._visit_moved(part, at)

    def _visit_moved(self, tree: ast.expr, at: Any) -> None:
        for node in ast.walk(tree):
            node_: Any = node
            node_.lineno, node_.col_offset = at.lineno, at.col_offset
        self._annotation(tree)

    def _imported(self, name: str, at: ast.alias) -> Rule | None:
        hit = rules.rule_for(name)
        if hit is not None:
            self._found(at, hit[1], hit[0])
        return hit[1] if hit is not None else None

    def _names(self, names: Iterable[str], at: ast.AST) -> Rule | None:
        hit = rules.broken_by(names)
        if hit is None:
            return None
        what, rule = hit
        # A module that may not be imported was found where it is; what is used of it would only repeat that.
        if what not in rules.MODULES or all(name.partition(".")[0] != what for name in names):
            self._found(at, rule, what.removeprefix("builtins."))
        return rule

    def _found(self, at: Any, rule: Rule, what: str) -> None:
        self._report(at.lineno, at.col_offset + 1, rule, what)

    @contextmanager
    def _inside(self, node: ast.AST | Functions) -> Iterator[None]:
        outer = self._scope
        # An annotation that was parsed out of a string has no scopes of its own.
        self._scope = self._scopes.get(node, outer)
        yield
        self._scope = outer


_LITERALS = frozenset({"typing.Literal", "typing_extensions.Literal"})


def _is_super(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"


def _is_mode(text: str) -> bool:
    return 0 < len(text) <= 4 and set(text) <= _OPEN_MODES and bool(set(text) & set("rwax"))


_CALLS: dict[str, Callable[[Visitor, ast.Call], None]] = {
    "operator.attrgetter": Visitor._named_by_text,
    "operator.methodcaller": Visitor._named_by_text,
    "builtins.vars": Visitor._vars,
    **dict.fromkeys(rules.STRINGS_AS_CODE, Visitor._code_in_text),
}
