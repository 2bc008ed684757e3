"""What every benchmark prints and writes: a figure, its bound, and whether it holds."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Figure:
    """One measured figure.

    Args:
        name: stable key in the JSON.
        value: what was measured.
        bound: what it may be at most, or must be at least; None = only printed.
        kind: which of the two.
        note: how it came about.
    """

    name: str
    value: float
    bound: float | None = None
    kind: Literal["at most", "at least"] = "at most"
    note: str = ""

    @property
    def ok(self) -> bool:
        """Whether the bound holds."""
        if self.bound is None:
            return True
        return self.value <= self.bound if self.kind == "at most" else self.value >= self.bound


def arguments(description: str | None) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as {name: {value, bound, ok}}")
    return parser


def finish(figures: list[Figure], target: Path | None, failed: Mapping[str, str] = MappingProxyType({})) -> int:
    """Print the table, write the JSON, and give the exit code: 1 if a bound does not hold or something failed.

    Args:
        failed: what was not measured, and why.
    """
    table = Table("figure", "value", "bound", "holds", "how", header_style="bold")
    for figure in figures:
        bound = "-" if figure.bound is None else f"{figure.kind} {figure.bound:g}"
        holds = "-" if figure.bound is None else ("yes" if figure.ok else "NO")
        table.add_row(figure.name, f"{figure.value:.4g}", bound, holds, figure.note)
    Console().print(table)
    if target is not None:
        values = {f.name: {"value": f.value, "bound": f.bound, "ok": f.ok} for f in figures}
        target.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    for name, reason in failed.items():
        print(f"{name} was not measured: {reason}", file=sys.stderr)
    return 1 if failed or not all(figure.ok for figure in figures) else 0
