"""Private names of other libraries stand in one room."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_ROOMS = ("mixpeek_dagster", "serving", "plugin_repo", "tests", "bench")
_OWN = frozenset(_ROOMS) | {"engine", "shared", "api"}
_ALLOWED = (Path("mixpeek_dagster/private_api"), Path("tests/private_api"))
# They carry no underscore, and are promised to nobody either.
_AS_GOOD_AS_PRIVATE = ("dagster_ray.core", "bentoml._internal", ".http.client.", ".original_resource_dict")


def private_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and name of each private name of another library: imported, or reached through attributes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names if _is_private(alias.name))
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from ((node.lineno, name) for name in names if _is_private(name))
        elif isinstance(node, ast.Attribute):
            text = ast.unparse(node)
            if "._private." in text or "._internal." in text or any(f"{name}" in text for name in _AS_GOOD_AS_PRIVATE):
                yield node.lineno, text


def _is_private(name: str) -> bool:
    parts = name.split(".")
    if parts[0] in _OWN or parts[0] in sys.stdlib_module_names:
        return False
    hidden = any(part.startswith("_") and not part.startswith("__") for part in parts)
    return hidden or name.startswith(_AS_GOOD_AS_PRIVATE)


@pytest.mark.parametrize(
    "line",
    [
        "from dagster._core.events import RunFailureReason",
        "import ray._private.state",
        "from _bentoml_sdk import Service",
        "from dagster_ray.core.executor import RayStepHandler",
        "found = ray._private.state.state.get_max_resources_from_cluster_config()",
        "client.http.client.request(type_=dict)",
        "context.resources.original_resource_dict['stores']",
    ],
)
def test_a_private_name_is_seen(line: str) -> None:
    assert list(private_names(ast.parse(line)))


@pytest.mark.parametrize("line", ["import dagster as dg", "from __future__ import annotations", "import _thread"])
def test_a_public_name_is_not(line: str) -> None:
    assert not list(private_names(ast.parse(line)))


def test_private_names_stand_behind_one_room() -> None:
    files = [path.relative_to(_ROOT) for room in _ROOMS for path in (_ROOT / room).rglob("*.py")]
    found = [
        f"{path}:{line}: {name}"
        for path in files
        if not any(path.is_relative_to(room) for room in _ALLOWED)
        for line, name in private_names(ast.parse((_ROOT / path).read_bytes()))
    ]
    assert not found, "put them behind mixpeek_dagster/private_api, each with a contract test:\n" + "\n".join(found)
