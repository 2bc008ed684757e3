from .pipeline import numbers  # noqa: TID252


class InferenceService:
    """Four numbers of a text."""

    def __call__(self, inputs, parameters):
        return {"vector": numbers(inputs["text"])}
