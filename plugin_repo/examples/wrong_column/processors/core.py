"""Vectors without a model: how often the words of a text fall into each of 384 boxes."""

import zlib

import pandas as pd

SIZE = 384


class WordCounter:
    """Writes `embedding`, whereas the manifest promises `my_embedding`: the mistake that this plugin is about."""

    def __call__(self, batch: pd.DataFrame) -> pd.DataFrame:
        batch["embedding"] = [self._count(text) for text in batch["text"].fillna("")]
        return batch

    def _count(self, text: str) -> list[float]:
        boxes = [0.0] * SIZE
        for word in text.lower().split():
            boxes[zlib.crc32(word.encode()) % SIZE] += 1.0
        return boxes
