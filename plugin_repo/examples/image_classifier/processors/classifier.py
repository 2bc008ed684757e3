from typing import Any

import pandas as pd
from shared.plugins import open_asset

MODEL = "torchvision/mobilenet_v2"
TOP = 5


class ImageClassifierProcessor:
    """Classify pictures with MobileNetV2 and embed them by its last hidden layer, 1,280 numbers.

    A picture that does not open gives an empty embedding, which fails its row; zeros would be stored, and found.
    """

    def __init__(self, config: Any = None) -> None:
        self._model: Any = None
        self._processor: Any = None

    def _load(self) -> None:
        if self._model is None:
            from transformers import AutoImageProcessor, AutoModelForImageClassification

            self._processor = AutoImageProcessor.from_pretrained(MODEL)
            self._model = AutoModelForImageClassification.from_pretrained(MODEL).eval()

    def __call__(self, batch: pd.DataFrame) -> pd.DataFrame:
        self._load()
        images = [self._open(url) for url in batch["data"]]
        results = iter(self._classify([image for image in images if image is not None]))
        rows = [next(results) if image is not None else ([], [], None) for image in images]
        batch["image_embedding"] = [embedding for embedding, _, _ in rows]
        batch["labels"] = [labels for _, labels, _ in rows]
        batch["confidence"] = [confidence for _, _, confidence in rows]
        return batch

    def _open(self, url: str) -> Any:
        from PIL import Image, UnidentifiedImageError

        try:
            with open_asset(url) as path, Image.open(path) as image:
                return image.convert("RGB")
        except UnidentifiedImageError:
            return None

    def _classify(self, images: list[Any]) -> list[tuple[list[float], list[str], float]]:
        import torch

        if not images:
            return []
        pixels = self._processor(images=images, return_tensors="pt")
        with torch.inference_mode():
            features = self._model.mobilenet_v2(**pixels).pooler_output
            scores = self._model.classifier(features).softmax(dim=-1)
        best = scores.topk(TOP)
        names = self._model.config.id2label
        return [
            (embedding.tolist(), [names[int(i)] for i in top], float(confidence[0]))
            for embedding, top, confidence in zip(features, best.indices, best.values, strict=True)
        ]
