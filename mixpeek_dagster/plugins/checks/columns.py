"""Whether a plugin's code names the columns that its manifest promises."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mixpeek_dagster.plugins.folder import manifest_path
from mixpeek_dagster.plugins.source_map import SourceMap
from mixpeek_dagster.plugins.spec import Problem


def column_problems(folder: Path, trees: dict[Path, ast.Module], manifest: Mapping[str, Any]) -> Iterator[Problem]:
    """A warning for each feature whose name is in no file but the manifest: nothing can write its column."""
    path = manifest_path(folder)
    code = [tree for file, tree in trees.items() if file != path]
    if any(map(_reads_features, code)):
        return
    texts = {node.value for tree in code for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    at = SourceMap(trees[path]) if path in trees else None
    for index, feature in enumerate(manifest.get("features", ())):
        name = feature["name"]
        if name not in texts:
            place = at.item_key("features", index, "feature_name") if at else (1, 1)
            message = f"no file of the plugin names the column {name!r}, so no row can have this vector"
            fix = f'Write it in a processor: batch["{name}"] = ..., or mend feature_name'
            yield Problem("warning", "COL001", message, fix, str(path), *place)


def _reads_features(tree: ast.Module) -> bool:
    """Whether a file takes the names from the manifest."""
    return any(
        isinstance(node, ast.ImportFrom) and any(alias.name in {"features", "*"} for alias in node.names)
        for node in ast.walk(tree)
    )
