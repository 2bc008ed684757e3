"""How much one service process takes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from mixpeek_dagster.settings import Settings


@dataclass(frozen=True)
class Limits:
    """The settings `inference_*` of a process.

    Args:
        queue: inputs that may wait.
        concurrency: calls of a plugin at a time.
        seconds: longest time for one request.
        body_bytes: largest body of a request, and largest file that a URL in it may name.
        threads: cores to compute on; None = all.
    """

    queue: int = 1024
    concurrency: int = 16
    seconds: float = 60.0
    body_bytes: int = 32 * 2**20
    threads: int | None = None

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(
            settings.inference_queue,
            settings.inference_concurrency,
            settings.inference_seconds,
            settings.inference_body_bytes,
            settings.inference_threads,
        )
