"""The second step: a vector for each caption."""

from typing import Any

import pandas as pd

MODEL = "all-MiniLM-L6-v2"


class CaptionEmbedder:
    """Writes `caption_embedding`, 384 numbers; a row without a caption gets none, which fails that row alone."""

    def __init__(self, config: Any = None) -> None:
        self._model: Any = None

    def __call__(self, batch: pd.DataFrame) -> pd.DataFrame:
        if self._model is None:
            from sentence_transformers import SentenceTransformer

            self._model = SentenceTransformer(MODEL)
        captions = batch["caption"].fillna("").tolist()
        vectors = self._model.encode(captions).tolist()
        batch["caption_embedding"] = [
            vector if caption else None for vector, caption in zip(vectors, captions, strict=True)
        ]
        return batch
