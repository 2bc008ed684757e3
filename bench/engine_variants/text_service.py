"""Texts through the built-in embedding service: `python text_service.py FOLDER VECTORS`.

Prints texts a second without the loading of the model, and the matrix-multiply bound measured before and after. Writes
the vectors as a float32 array (texts, 384).
"""

from __future__ import annotations

import statistics
import sys
import time
from typing import Any

import numpy as np
import pandas as pd

from bench.engine_variants.matrix_multiply import sgemm_flops
from bench.engine_variants.measuring import FRAME_ROWS, TEXT_MODEL, finish, read_texts, use_all_cores
from mixpeek_dagster.inference.registry import get_batch_service


def main(folder: str, target: str) -> None:
    """Measure."""
    use_all_cores()
    texts = read_texts(folder)
    service = get_batch_service(TEXT_MODEL)(config={"text_column": "data", "output_column_name": "embedding"})
    service(pd.DataFrame({"data": texts[:8]}))
    shape = _Shape(texts)
    before = sgemm_flops(shape.hidden, shape.intermediate)
    frames = [pd.DataFrame({"data": texts[at : at + FRAME_ROWS]}) for at in range(0, len(texts), FRAME_ROWS)]
    started = time.perf_counter()
    made = [service(frame) for frame in frames]
    seconds = time.perf_counter() - started
    # The service may have left torch with fewer threads.
    use_all_cores()
    flops = statistics.mean([before, sgemm_flops(shape.hidden, shape.intermediate)])
    vectors = [np.asarray(vector, dtype=np.float32) for frame in made for vector in frame["embedding"]]
    np.save(target, np.stack(vectors))
    finish(
        seconds=seconds,
        texts_per_second=len(texts) / seconds,
        bound_texts_per_second=flops / (2 * shape.parameters * shape.tokens_per_text),
        sgemm_gflops=flops / 1e9,
        tokens_per_text=shape.tokens_per_text,
        parameters=shape.parameters,
    )


class _Shape:
    """What the bound depends on: the model's sizes and the texts' tokens, as many as the model takes of each."""

    def __init__(self, texts: list[str]) -> None:
        from sentence_transformers import SentenceTransformer

        whole = SentenceTransformer(TEXT_MODEL, device="cpu")
        model: Any = whole[0].auto_model
        self.hidden = int(model.config.hidden_size)
        self.intermediate = int(model.config.intermediate_size)
        named = model.named_parameters()
        self.parameters = sum(value.numel() for name, value in named if not name.startswith("embeddings."))
        encoded = whole.tokenizer(texts, truncation=True, max_length=whole.max_seq_length)["input_ids"]
        self.tokens_per_text = statistics.mean(map(len, encoded))


if __name__ == "__main__":
    main(*sys.argv[1:])
