"""A hand-written Ray Data job: read text files, embed with sentence-transformers in an actor, upsert into Qdrant.

    python ray_data_script.py FOLDER QDRANT_URL COLLECTION THREADS

One actor of one CPU, as Ray's documentation shows for a model on the CPU: a second one would hold the last core of two,
and the read tasks would wait for it for ever. THREADS is how many torch uses in the actor; 0 leaves it to Ray, which
makes it one. The time is that of the job from `ray.init` on, loading of the model included.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import ray
from qdrant_client import QdrantClient, models

_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
_BATCH_ROWS = 1024
_UPSERT_ROWS = 256

Batch = dict[str, np.ndarray]


class Embedder:
    """Embeds file contents; the model is loaded once per actor."""

    def __init__(self, threads: int) -> None:
        import torch
        from sentence_transformers import SentenceTransformer

        if threads:
            torch.set_num_threads(threads)
        self._model = SentenceTransformer(_MODEL, device="cpu")

    def __call__(self, batch: Batch) -> Batch:
        texts = [content.decode("utf-8") for content in batch["bytes"]]
        vectors = self._model.encode(texts, batch_size=32, show_progress_bar=False)
        return {"path": batch["path"], "text": np.array(texts, dtype=object), "embedding": vectors}


def main(folder: str, url: str, collection: str, threads: str) -> None:
    """Run the job."""
    client = QdrantClient(url=url, timeout=120)
    if not int(threads):
        os.environ.pop("OMP_NUM_THREADS", None)
    started = time.perf_counter()
    ray.init(address="local", include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
    vectors = ray.data.read_binary_files(folder, include_paths=True).map_batches(
        Embedder,
        fn_constructor_args=(int(threads),),
        batch_size=_BATCH_ROWS,
        compute=ray.data.ActorPoolStrategy(size=1),
        num_cpus=1,
    )
    for batch in vectors.iter_batches(batch_size=_UPSERT_ROWS):
        client.upsert(collection, _points(batch), wait=True)
    seconds = time.perf_counter() - started
    ray.shutdown()
    print(json.dumps({"seconds": seconds}))


def _points(batch: Any) -> list[models.PointStruct]:
    rows: Any = zip(batch["path"], batch["text"], batch["embedding"], strict=True)
    return [
        models.PointStruct(
            id=str(uuid.uuid5(uuid.NAMESPACE_URL, path)),
            vector=vector.tolist(),
            payload={"filename": Path(path).name, "text": text},
        )
        for path, text, vector in rows
    ]


if __name__ == "__main__":
    main(*sys.argv[1:])
