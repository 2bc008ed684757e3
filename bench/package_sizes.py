"""Megabytes that the base package and each extra bring, with all that they ask for, as it is installed here.

python -m bench.package_sizes --json figures.json
"""

from __future__ import annotations

import sys
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bench.report import Figure, arguments, finish

_OWN = "mixpeek-dagster"
_DEVELOPERS = frozenset({"dev", "docs"})
# pandas and numpy are 157 of them, and no plugin does without.
_MOST_BASE_MB = 240


def main() -> int:
    """Measure and print."""
    options = arguments(__doc__).parse_args()
    base = _distributions("")
    extras = [one for one in distribution(_OWN).metadata.get_all("Provides-Extra") or [] if one not in _DEVELOPERS]
    figures = [_figure("base", base, frozenset(), _MOST_BASE_MB)]
    figures += [_figure(extra, _distributions(extra), base, None) for extra in extras]
    return finish(figures, options.json)


def _figure(name: str, found: frozenset[str], without: frozenset[str], most: float | None) -> Figure:
    sizes = {one: _megabytes(one) for one in found - without}
    largest = sorted(sizes, key=sizes.__getitem__, reverse=True)[:4]
    note = f"{len(sizes)} packages{' beside the base' if without else ''}: "
    note += ", ".join(f"{one} {sizes[one]:.0f}" for one in largest)
    return Figure(f"{name}_megabytes", sum(sizes.values()), most, note=note)


def _distributions(extra: str) -> frozenset[str]:
    """Names of all that an extra needs; those of the base for the empty one."""
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [Requirement(f"{_OWN}[{extra}]" if extra else _OWN)]
    while waiting:
        wanted = waiting.pop()
        key = (canonicalize_name(wanted.name), frozenset(wanted.extras))
        found = _installed(key[0])
        if key in seen or found is None:
            continue
        seen.add(key)
        for line in found.requires or []:
            needed = Requirement(line)
            if needed.marker is None or any(needed.marker.evaluate({"extra": one}) for one in {"", *wanted.extras}):
                waiting.append(needed)
    return frozenset(name for name, _ in seen) - {_OWN}


@cache
def _installed(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


@cache
def _megabytes(name: str) -> float:
    """Size of a distribution's files, compiled ones among them."""
    found = distribution(name)
    paths = [Path(str(file.locate())) for file in found.files or []]
    return sum(path.stat().st_size for path in paths if path.is_file()) / 1e6


if __name__ == "__main__":
    sys.exit(main())
