"""docs/architecture.md says of the rooms what import-linter enforces."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PACKAGE = "mixpeek_dagster"


def contracts(kind: str) -> list[dict[str, Any]]:
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    return [contract for contract in linter["contracts"] if contract["type"] == kind]


def table(first: str) -> list[list[str]]:
    """Rows of the table whose head begins with this cell."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    lines = text[text.index(f"| {first} |") :].partition("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_table_of_rooms_is_the_order_of_the_layers() -> None:
    (contract,) = contracts("layers")
    layers = [[room.strip().removeprefix(f"{PACKAGE}.") for room in layer.split("|")] for layer in contract["layers"]]
    expected = []
    for rooms in layers:
        below = "all below" if len(rooms) == 1 else f"all below `{rooms[-1]}`"
        expected += [(f"`{room}`", "nothing" if rooms is layers[-1] else below) for room in rooms]
    assert [(room, may) for room, _, may in table("room")] == expected


def test_every_room_of_the_package_is_a_layer() -> None:
    (contract,) = contracts("layers")
    layered = set(re.findall(rf"{PACKAGE}\.(\w+)", " ".join(contract["layers"])))
    folder = ROOT / PACKAGE
    rooms = {path.parent.name for path in folder.glob("*/__init__.py")} | {
        path.stem for path in folder.glob("*.py") if path.stem != "__init__"
    }
    assert rooms == layered


def test_the_table_of_folders_says_what_is_forbidden() -> None:
    said = {folder.strip("`"): set(re.findall(r"`(\w+)`", forbidden)) for folder, _, forbidden in table("folder")}
    enforced = {
        contract["source_modules"][0]: {name.removeprefix(f"{PACKAGE}.") for name in contract["forbidden_modules"]}
        for contract in contracts("forbidden")
    }
    assert {folder: names for folder, names in said.items() if names} == enforced
