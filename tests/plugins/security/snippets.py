"""Snippets of hostile and harmless plugins; a line `#### name` begins each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_FOLDER = Path(__file__).parent / "corpus"
HOSTILE = "hostile/*.py.txt"
ALLOWED = "allowed/*.py.txt"
UNDECIDABLE = "undecidable.py.txt"


def snippets(pattern: str) -> Iterator[tuple[str, str]]:
    """Name, as `aliases/module_alias`, and source of each snippet of the files that match."""
    for file in sorted(_FOLDER.glob(pattern)):
        for part in file.read_text(encoding="utf-8").split("#### ")[1:]:
            name, _, source = part.partition("\n")
            yield f"{file.name.removesuffix('.py.txt')}/{name.strip()}", source
