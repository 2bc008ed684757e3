"""The step: a vector and a tone beside each text."""

from typing import Any

import pandas as pd

from .tone import tone_of

MODEL = "all-MiniLM-L6-v2"


class TextEmbedder:
    """Writes `my_embedding`, 384 numbers, and `sentiment`; a missing text counts as an empty one."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.threshold: float = config["threshold"]
        self._model: Any = None

    def __call__(self, batch: pd.DataFrame) -> pd.DataFrame:
        texts = batch["text"].fillna("").tolist()
        batch["my_embedding"] = self._encoder().encode(texts).tolist()
        batch["sentiment"] = [tone_of(text, self.threshold) for text in texts]
        return batch

    def _encoder(self) -> Any:
        """The model, loaded with the first batch: a processor that gets no rows costs nothing."""
        if self._model is None:
            from sentence_transformers import SentenceTransformer

            self._model = SentenceTransformer(MODEL)
        return self._model
