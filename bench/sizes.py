"""How much the engine benchmark measures with, and where."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mixpeek_dagster.settings import Settings


@dataclass(frozen=True)
class Run:
    """One call of the benchmark.

    Args:
        home: folder of this call; texts, vectors and logs go there.
        settings: of the embedded stores under it.
        environments: folder of the peers' virtual environments.
        rounds: how often compared variants run in turn.
        texts: how many texts are embedded.
        images: how many images.
        speech_seconds: of speech, about.
        ray_rows: texts of the comparison on Ray.
        rows: of the run whose memory is measured; a tenth is what it is held against.
    """

    home: Path
    settings: Settings
    environments: Path
    rounds: int = 3
    texts: int = 2_000
    images: int = 500
    speech_seconds: int = 300
    ray_rows: int = 20_000
    rows: int = 200_000
