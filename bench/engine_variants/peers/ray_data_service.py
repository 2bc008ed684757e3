"""A hand-written Ray Data job around our embedding service, on a running cluster.

    python ray_data_service.py FOLDER QDRANT_URL COLLECTION ADDRESS THREADS

What the Ray backend is held against: the same service, batch size and cluster without selection, accounting, kept rows
and checks. The time is that of the job from connecting to the cluster on, loading of the model included.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import ray
from qdrant_client import QdrantClient, models

_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
_BATCH_ROWS = 1024
_UPSERT_ROWS = 256


class Embedder:
    """Our service; the model is loaded once per actor."""

    def __init__(self, threads: int) -> None:
        import torch

        from mixpeek_dagster.inference.registry import get_batch_service

        torch.set_num_threads(threads)
        self._service = get_batch_service(_MODEL)(config={"text_column": "data", "output_column_name": "embedding"})

    def __call__(self, frame: pd.DataFrame) -> dict[str, np.ndarray]:
        texts = [content.decode("utf-8") for content in frame["bytes"]]
        made = self._service(pd.DataFrame({"data": texts}))
        vectors = np.stack([np.asarray(vector, dtype=np.float32) for vector in made["embedding"]])
        return {"path": frame["path"].to_numpy(), "text": np.array(texts, dtype=object), "embedding": vectors}


def main(folder: str, url: str, collection: str, address: str, threads: str) -> None:
    """Run the job."""
    client = QdrantClient(url=url, timeout=120)
    started = time.perf_counter()
    ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
    vectors = ray.data.read_binary_files(folder, include_paths=True).map_batches(
        Embedder,
        fn_constructor_args=(int(threads),),
        batch_size=_BATCH_ROWS,
        batch_format="pandas",
        compute=ray.data.ActorPoolStrategy(size=1),
        num_cpus=1,
    )
    for batch in vectors.iter_batches(batch_size=_UPSERT_ROWS):
        client.upsert(collection, _points(batch), wait=True)
    seconds = time.perf_counter() - started
    ray.shutdown()
    print(json.dumps({"seconds": seconds}))


def _points(batch: Any) -> list[models.PointStruct]:
    return [
        models.PointStruct(
            id=str(uuid.uuid5(uuid.NAMESPACE_URL, path)),
            vector=vector.tolist(),
            payload={"filename": Path(path).name, "text": text},
        )
        for path, text, vector in zip(batch["path"], batch["text"], batch["embedding"], strict=True)
    ]


if __name__ == "__main__":
    main(*sys.argv[1:])
