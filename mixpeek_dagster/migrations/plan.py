"""The migrations in their order. An installation's version is the number of those that it has behind it."""

from __future__ import annotations

import importlib
from typing import Protocol, cast

from mixpeek_dagster.migrations.work import Work

STEPS = ("v0001_one_name", "v0002_config_hash", "v0003_part_sizes")
"""Names of modules in `versions`; a new one goes to the end, and none is ever taken out."""

CURRENT = len(STEPS)


class Migration(Protocol):
    """A module of `versions`. Its docstring says what it changes and why it can be repeated."""

    def migrate(self, work: Work) -> None:
        """Change what is stored to the next version.

        It may find that a process which was killed has done any part of it already, and does the rest.
        """
        ...


def pending(version: int) -> list[tuple[int, str]]:
    """Migrations that an installation of this version has yet to go through: the version each leads to, its name."""
    return list(enumerate(STEPS, start=1))[version:]


def load(name: str) -> Migration:
    """A migration by its name; only those that are needed are ever imported."""
    return cast(Migration, importlib.import_module(f"mixpeek_dagster.migrations.versions.{name}"))
