"""Holds one file's syntax tree against the rules."""

from __future__ import annotations

import ast

from mixpeek_dagster.plugins.security import rules
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
        """A module that is only named goes nowhere, and neither does a docstring."""
        if not isinstance(node.value, ast.Constant):
            self._assigned(node.value, True)

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
        """Texts that libraries run: a class's annotations given as a dict, templates, queries."""
        if node.value == "__annotations__":
            self._found(node, rules.INTROSPECTION, "__annotations__")
        elif isinstance(node.value, str) and "__" in node.value:
            name = next((name for name in sorted(rules.TELLTALES) if name in node.value), None)
            if name is not None:
                self._found(node, rules.INTROSPECTION, f"a text with {name}")

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
