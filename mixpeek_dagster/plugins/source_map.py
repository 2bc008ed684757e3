"""Where things stand in a manifest's source, so that each problem can name its line."""

from __future__ import annotations

import ast
from pathlib import Path

Place = tuple[int, int]


class SourceMap:
    """Lines and columns (from 1) of a manifest's assignments, dict keys and list items."""

    def __init__(self, tree: ast.Module) -> None:
        self._assigned: dict[str, ast.expr] = {}
        self._targets: dict[str, ast.AST] = {}
        for node in tree.body:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            for target in targets:
                value = getattr(node, "value", None)
                if isinstance(target, ast.Name) and value is not None:
                    self._assigned[target.id] = value
                    self._targets[target.id] = target

    @classmethod
    def of(cls, path: Path) -> SourceMap:
        """Parse a file.

        Raises:
            SyntaxError: it is not Python.
            ValueError: it holds a null byte or is not text.
        """
        return cls(ast.parse(path.read_bytes(), filename=str(path)))

    def name(self, name: str) -> Place:
        """Place of an assignment; the top of the file if there is none."""
        return _place(self._targets.get(name))

    def key(self, name: str, key: str) -> Place:
        """Place of a key in an assigned dict."""
        return self._key(self._assigned.get(name), key) or self.name(name)

    def item(self, name: str, index: int) -> Place:
        """Place of an item in an assigned list."""
        node = self._item(name, index)
        return _place(node) if node is not None else self.name(name)

    def item_key(self, name: str, index: int, key: str) -> Place:
        """Place of a key in a dict in an assigned list."""
        return self._key(self._item(name, index), key) or self.item(name, index)

    def _item(self, name: str, index: int) -> ast.expr | None:
        node = self._assigned.get(name)
        if isinstance(node, ast.List | ast.Tuple) and index < len(node.elts):
            return node.elts[index]
        return None

    def _key(self, node: ast.expr | None, key: str) -> Place | None:
        if isinstance(node, ast.Dict):
            for candidate in node.keys:
                if isinstance(candidate, ast.Constant) and candidate.value == key:
                    return _place(candidate)
        return None


def _place(node: ast.AST | None) -> Place:
    return (getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1)
