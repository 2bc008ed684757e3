"""Whether a manifest's dimensions can be those of the models that the plugin names."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mixpeek_dagster.plugins.folder import manifest_path
from mixpeek_dagster.plugins.source_map import SourceMap
from mixpeek_dagster.plugins.spec import Problem

_MISTAKEN = {"google/siglip-base-patch16-224": (512, 768)}
"""Models whose vectors are longer than is often written: what is written, and what they have."""


def dimension_problems(folder: Path, trees: dict[Path, ast.Module], manifest: Mapping[str, Any]) -> Iterator[Problem]:
    """A warning for the first feature that has a dimension which its model is often said to have, and has not."""
    path = manifest_path(folder)
    texts = {node.value for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    for model, (written, real) in _MISTAKEN.items():
        places = [index for index, f in enumerate(manifest.get("features", ())) if f["dimension"] == written]
        if model in texts and places:
            message = f"{model} gives {real} numbers, not {written}: rows with its vectors will fail"
            fix = f"Set embedding_dim to {real}, unless this feature comes from another model"
            place = SourceMap(trees[path]).item_key("features", places[0], "embedding_dim") if path in trees else (1, 1)
            yield Problem("warning", "DIM001", message, fix, str(path), *place)
