"""Texts through `SentenceTransformer.encode`: `python sentence_transformers_encode.py FOLDER VECTORS`.

Prints texts a second without the loading of the model; writes the vectors as a float32 array (texts, 384).
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch
from sentence_transformers import SentenceTransformer


def main(folder: str, target: str) -> None:
    """Measure."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    texts = [path.read_text(encoding="utf-8") for path in sorted(Path(folder).glob("*.txt"))]
    model = SentenceTransformer("sentence-transformers/all-MiniLM-L6-v2", device="cpu")
    model.encode(texts[:8], batch_size=32, show_progress_bar=False)
    started = time.perf_counter()
    vectors = model.encode(texts, batch_size=32, show_progress_bar=False)
    seconds = time.perf_counter() - started
    np.save(target, vectors)
    print(json.dumps({"seconds": seconds, "texts_per_second": len(texts) / seconds}))


if __name__ == "__main__":
    main(*sys.argv[1:])
