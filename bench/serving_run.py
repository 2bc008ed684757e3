"""How much the serving benchmark measures with, and where."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.loads import Texts
from mixpeek_dagster.settings import Settings


@dataclass(frozen=True)
class Run:
    """One call of the benchmark.

    Args:
        home: folder of this call.
        settings: of the stores under it.
        environments: folder of the peers' virtual environments.
        texts: what clients send.
        rounds: how often compared servers run in turn.
        seconds: that a load is measured.
        warm_seconds: before that.
        clients: of the comparison.
    """

    home: Path
    settings: Settings
    environments: Path
    texts: Texts
    rounds: int = 3
    seconds: float = 20.0
    warm_seconds: float = 8.0
    clients: int = 32
