"""Annotations are code: those that are strings, and those in type comments, too."""

from __future__ import annotations

import ast
from contextlib import suppress
from typing import Any

from mixpeek_dagster.plugins.security import rules
from mixpeek_dagster.plugins.security.folding import TEXT_METHODS, Unfoldable
from mixpeek_dagster.plugins.security.reporter import Reporter

_LITERALS = frozenset({"typing.Literal", "typing_extensions.Literal"})


class AnnotationVisitor(Reporter):
    """Visits annotations as the expressions that libraries make of them."""

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
            if names and names <= _LITERALS:
                self._literal(node.slice)
            else:
                self._annotation(node.slice)
        elif isinstance(node, ast.Tuple | ast.List):
            for item in node.elts:
                self._annotation(item)
        elif isinstance(node, ast.BinOp):
            self._annotation(node.left)
            self._annotation(node.right)
        else:
            self.visit(node)
            if self._is_computed(node):
                self._found(node, rules.COMPUTED_TEXT, "an annotation")

    def _literal(self, node: ast.expr) -> None:
        """The texts of a `Literal` are only values."""
        for part in node.elts if isinstance(node, ast.Tuple) else [node]:
            if not isinstance(part, ast.Constant):
                self.visit(part)

    def _is_computed(self, node: ast.expr) -> bool:
        """Whether an annotation may be a text that is put together while the plugin runs."""
        values = self._resolver.values(node, self._scope) if isinstance(node, ast.Name) else [node]
        return any(
            isinstance(value, ast.IfExp | ast.JoinedStr | ast.BoolOp) or _is_text_call(value) for value in values
        )

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

    def _arguments(self, node: ast.arguments) -> None:
        for argument in (*node.posonlyargs, *node.args, *node.kwonlyargs, node.vararg, node.kwarg):
            if argument is not None and argument.annotation is not None:
                self._annotation(argument.annotation)
            if argument is not None and argument.type_comment:
                self._text_annotation(argument.type_comment, argument)
        for default in (*node.defaults, *node.kw_defaults):
            if default is not None:
                self.visit(default)

    def _visit_moved(self, tree: ast.expr, at: Any) -> None:
        for node in ast.walk(tree):
            node_: Any = node
            node_.lineno, node_.col_offset = at.lineno, at.col_offset
        self._annotation(tree)


def _is_text_call(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in TEXT_METHODS
