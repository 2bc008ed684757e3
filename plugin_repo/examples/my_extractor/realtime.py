"""Answers single requests with the step that batches go through, so that both give the same vector."""

from typing import Any

import pandas as pd
from shared.plugins.inference.serve import BaseInferenceService

from .manifest import Parameters
from .processors.core import TextEmbedder


class InferenceService(BaseInferenceService):
    """`{"text": …}` in, `{"embedding": …, "sentiment": …}` out."""

    def __init__(self) -> None:
        super().__init__()
        self._embedder = TextEmbedder(Parameters().model_dump())

    async def __call__(self, inputs: dict[str, Any], parameters: dict[str, Any]) -> dict[str, Any]:
        answer = self._embedder(pd.DataFrame({"text": [inputs.get("text", "")]})).iloc[0]
        return {"embedding": answer["my_embedding"], "sentiment": answer["sentiment"]}
