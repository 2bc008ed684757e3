"""Vectors without a model: how often the words of a text fall into each of 384 boxes."""

import zlib

import pandas as pd

SIZE = 384


class WordCounter:
    """Writes `my_embedding`, 384 numbers."""

    def __call__(self, batch: pd.DataFrame) -> pd.DataFrame:
        batch["my_embedding"] = [self._count(text) for text in batch["text"].fillna("")]
        return batch

    def _count(self, text: str) -> list[float]:
        boxes = [0.0] * SIZE
        for word in text.lower().split():
            boxes[zlib.crc32(word.encode()) % SIZE] += 1.0
        return boxes
