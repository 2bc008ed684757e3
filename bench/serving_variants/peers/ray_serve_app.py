"""Ray Serve with `@serve.batch`, as its documentation has it: `python ray_serve_app.py PORT`.

`POST /` with a JSON text gives a vector. Torch has as many threads as there are cores, though Ray counts the
replica as one CPU.
"""

# ruff: noqa: TID253
from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from typing import Any

import ray
from ray import serve
from starlette.requests import Request

_BATCH = 32


@serve.deployment(max_ongoing_requests=4 * _BATCH)
class Embeddings:
    """Sentence embeddings."""

    def __init__(self, threads: int) -> None:
        import torch
        from sentence_transformers import SentenceTransformer

        torch.set_num_threads(threads)
        self.model = SentenceTransformer("sentence-transformers/all-MiniLM-L6-v2", device="cpu")

    @serve.batch(max_batch_size=_BATCH, batch_wait_timeout_s=0.01)
    async def encode(self, texts: list[str]) -> list[list[float]]:
        """Their vectors."""
        vectors = self.model.encode(texts, show_progress_bar=False)
        return [vector.tolist() for vector in vectors]

    async def __call__(self, request: Request) -> list[float]:
        """The vector of one text."""
        return await self.encode(await request.json())


def main(port: str) -> None:
    """Serve until a signal."""
    cores = len(os.sched_getaffinity(0))
    ray.init("local", num_cpus=cores, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    serve.start(http_options={"host": "127.0.0.1", "port": int(port)})
    deployment: Any = Embeddings
    serve.run(deployment.bind(cores))
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    stopped.wait()
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
