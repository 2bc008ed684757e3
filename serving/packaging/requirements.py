"""What requirements come to, at the versions that are installed here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

_OWN = "mixpeek-dagster"


def pinned_requirements(wanted: Iterable[str]) -> list[str]:
    """Requirements and all that they need themselves as `name==version`, our own distribution left out.

    One that is not installed here stays as it is written.
    """
    pinned: dict[str, str] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [Requirement(text) for text in wanted]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if (name, frozenset(requirement.extras)) in seen:
            continue
        seen.add((name, frozenset(requirement.extras)))
        try:
            found = distribution(name)
        except PackageNotFoundError:
            pinned.setdefault(name, f"{requirement.name}{requirement.specifier}")
            continue
        # Indexes have no local versions such as 2.13.0+cpu.
        pinned[name] = f"{name}=={Version(found.version).public}"
        waiting += _needs(found.requires or [], requirement.extras)
    pinned.pop(_OWN, None)
    return sorted(pinned.values())


def _needs(lines: list[str], extras: set[str]) -> Iterator[Requirement]:
    for line in lines:
        needed = Requirement(line)
        if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras or {""}):
            yield needed
