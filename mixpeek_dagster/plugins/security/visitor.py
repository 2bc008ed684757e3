"""Holds one file's syntax tree against the rules."""

from __future__ import annotations

import ast
from contextlib import suppress

from mixpeek_dagster.plugins.security import forbidden, rules
from mixpeek_dagster.plugins.security.calls import CallVisitor
from mixpeek_dagster.plugins.security.folding import Unfoldable

_TYPED = ast.For | ast.AsyncFor | ast.With | ast.AsyncWith


class Visitor(CallVisitor):
    """Visits a file and reports everything that it may not do."""

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
            bound = alias.name if alias.asname else alias.name.partition(".")[0]
            if not found and self._scope.kind == "class" and forbidden.guarded_module(bound):
                self._found(alias, rules.ESCAPE, alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """What is imported by name; a star from a library can bring any name."""
        module = node.module or ""
        if node.level:
            if "tests" in module.split(".") or (not module and any(alias.name == "tests" for alias in node.names)):
                self._found(node, rules.UNSEEN, "tests")
            return
        for alias in node.names:
            if self._imported(f"{module}.{alias.name}", alias):
                continue
            if rule := forbidden.ATTRIBUTES.get(alias.name):
                self._found(alias, rule, alias.name)
            elif alias.name == "*":
                self._found(alias, rules.STAR, f"from {module} import *")
            elif self._scope.kind == "class" and forbidden.guarded_module(f"{module}.{alias.name}"):
                self._found(alias, rules.ESCAPE, alias.name)

    def visit_Global(self, node: ast.Global) -> None:
        """Inside a class Python changes the names that begin with two underscores."""
        for name in node.names:
            if name.startswith("__") and not name.endswith("__"):
                self._found(node, rules.INTROSPECTION, f"global {name}")

    def visit_Name(self, node: ast.Name) -> None:
        """A name on its own is a value that goes somewhere."""
        if node.id == "__match_args__":
            self._found(node, rules.INTROSPECTION, node.id)
        if isinstance(node.ctx, ast.Load):
            self._value(node)
            if "builtins.getattr" in self._resolver.origins(node, self._scope):
                self._found(node, rules.ESCAPE, "getattr")

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """A chain of attributes, as a whole and link by link."""
        if not isinstance(node.ctx, ast.Load):
            self._changed(node)
        self._value(node)
        self._base(node.value)

    def visit_Assign(self, node: ast.Assign) -> None:
        """`o = os` is followed by name, so it is no escape; anywhere else it is."""
        self._assigned(node.value, node.targets)
        for target in node.targets:
            self.visit(target)
        if node.type_comment:
            self._text_annotation(node.type_comment, node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        """As an assignment; the annotation is code."""
        self._annotation(node.annotation)
        self.visit(node.target)
        if node.value is not None:
            self._assigned(node.value, [node.target])

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        """As an assignment, and a value as well."""
        self.visit(node.value)

    def visit_Expr(self, node: ast.Expr) -> None:
        """A module that is only named goes nowhere, and neither does a docstring."""
        if isinstance(node.value, ast.Name | ast.Attribute):
            self._assigned(node.value, [ast.Name("_")])
        elif not isinstance(node.value, ast.Constant):
            self.visit(node.value)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        """`namespace["eval"]` is `eval`, whatever the namespace is."""
        if self._resolver.is_namespace(node.value, self._scope):
            try:
                key = self._resolver.text(node.slice, self._scope)
            except Unfoldable:
                key = ""
            if forbidden.names_danger(key):
                self._found(node, rules.INTROSPECTION, f"[{key!r}]")
            self._base(node.value)
        else:
            self.visit(node.value)
        self.visit(node.slice)

    def visit_Constant(self, node: ast.Constant) -> None:
        """Texts that libraries run: a class's annotations given as a dict, templates, queries."""
        if node.value == "__annotations__":
            self._found(node, rules.INTROSPECTION, "__annotations__")
        elif isinstance(node.value, str):
            self._telltale(node, node.value)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        """A text that is put together says as much as a whole one."""
        if isinstance(node.op, ast.Add | ast.Mod):
            self._folded(node)
        self.generic_visit(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """As a text that is put together."""
        self._folded(node)
        self.generic_visit(node)

    def visit_MatchClass(self, node: ast.MatchClass) -> None:
        """`case object(__globals__=g)` reads an attribute."""
        for attribute in node.kwd_attrs:
            if rule := forbidden.ATTRIBUTES.get(attribute):
                self._found(node, rule, attribute)
            elif attribute in forbidden.OS_FUNCTIONS:
                self._found(node, rules.EXECUTION, attribute)
            elif attribute in forbidden.GUARDED or attribute in forbidden.ALIASES:
                self._found(node, rules.ESCAPE, attribute)
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
        """A comprehension has names of its own, but for its first iterable."""
        self.visit(node.generators[0].iter)
        with self._inside(node):
            for number, generator in enumerate(node.generators):
                self.visit(generator.target)
                for part in (*([generator.iter] if number else []), *generator.ifs):
                    self.visit(part)
            for part in [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]:
                self.visit(part)

    visit_SetComp = visit_DictComp = visit_GeneratorExp = visit_ListComp

    def _value(self, node: ast.Name | ast.Attribute) -> None:
        """A name or attribute chain that is used as a value."""
        names = self._resolver.origins(node, self._scope)
        hit = self._names(names, node)
        if hit is None or hit.severity != "error":
            module = next(filter(None, map(forbidden.guarded_module, names)), None)
            if module is not None:
                self._found(node, rules.ESCAPE, module)
            elif any(map(self._resolver.is_own_module, names)):
                self._found(node, rules.ESCAPE, "a module of the plugin")
            elif any(name.endswith(".__dict__") and forbidden.is_imported(name) for name in names):
                self._found(node, rules.INTROSPECTION, ".__dict__")
        if isinstance(node, ast.Attribute):
            self._link(node, names)

    def _assigned(self, value: ast.expr, targets: list[ast.expr]) -> None:
        """A value is followed where the binder has paired it with a name, and nowhere else."""
        if self._scope.kind != "class" and all(isinstance(target, ast.Name) for target in targets):
            self._followed(value)
        elif len(targets) == 1 and _are_paired(targets[0], value):
            for part, item in zip(targets[0].elts, value.elts, strict=True):  # type: ignore[attr-defined]
                self._assigned(item, [part])
        else:
            self.visit(value)

    def _followed(self, node: ast.expr) -> None:
        match node:
            case ast.Name() | ast.Attribute():
                self._base(node)
                self._names(self._resolver.origins(node, self._scope), node)
            case ast.IfExp():
                self.visit(node.test)
                self._followed(node.body)
                self._followed(node.orelse)
            case _:
                self.visit(node)

    def _changed(self, node: ast.Attribute) -> None:
        """An attribute that is set or deleted: names of the plugin's own modules must stay what they are."""
        if any(map(self._resolver.is_own_module, self._resolver.origins(node.value, self._scope))):
            self._found(node, rules.MUTATION, f".{node.attr}")

    def _folded(self, node: ast.expr) -> None:
        with suppress(Unfoldable):
            text = self._resolver.text(node, self._scope)
            if text == "__annotations__":
                self._found(node, rules.INTROSPECTION, text)
            self._telltale(node, text)

    def _telltale(self, node: ast.expr, text: str) -> None:
        name = next((name for name in sorted(forbidden.TELLTALES) if name in text), None) if "__" in text else None
        if name is not None:
            self._found(node, rules.INTROSPECTION, f"a text with {name}")


def _are_paired(target: ast.expr, value: ast.expr) -> bool:
    sequences = isinstance(target, ast.Tuple | ast.List) and isinstance(value, ast.Tuple | ast.List)
    if not sequences:
        return False
    parts, items = target.elts, value.elts  # type: ignore[attr-defined]
    starred = any(isinstance(part, ast.Starred) for part in (*parts, *items))
    return len(parts) == len(items) and not starred
