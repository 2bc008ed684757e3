from typing import Any

from .pipeline import numbers  # noqa: TID252


class InferenceService:
    """Four numbers of a text."""

    def __call__(self, inputs: dict[str, Any], parameters: dict[str, Any]) -> dict[str, Any]:
        return {"vector": numbers(inputs["text"])}
