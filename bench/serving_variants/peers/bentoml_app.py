"""BentoML's batchable API, as its documentation has it for sentence embeddings: `bentoml serve bentoml_app:Embeddings`.

`POST /encode` with `{"sentences": [...]}` gives a list of vectors.
"""

# ruff: noqa: TID253
from __future__ import annotations

import os

import bentoml
import numpy as np


@bentoml.service(traffic={"timeout": 60}, workers=1)
class Embeddings:
    """Sentence embeddings."""

    def __init__(self) -> None:
        import torch
        from sentence_transformers import SentenceTransformer

        torch.set_num_threads(len(os.sched_getaffinity(0)))
        self.model = SentenceTransformer("sentence-transformers/all-MiniLM-L6-v2", device="cpu")

    @bentoml.api(batchable=True, max_batch_size=32, max_latency_ms=60_000)
    def encode(self, sentences: list[str]) -> np.ndarray:
        """Their vectors."""
        return self.model.encode(sentences, show_progress_bar=False)
