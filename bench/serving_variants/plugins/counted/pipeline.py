from typing import Any

import pandas as pd
from engine.plugins.extractors.pipeline import (
    PipelineDefinition,
    ResourceType,
    StepDefinition,
    build_pipeline_steps,
)


def numbers(text: str) -> list[float]:
    return [float(len(text)), float(sum(map(ord, text)) % 97), 1.0, 0.5]


class Count:
    """Count a text's letters."""

    def __init__(self, config: Any = None, **kwargs: Any) -> None:
        self.config = config

    def __call__(self, batch: pd.DataFrame) -> pd.DataFrame:
        batch["vector"] = [numbers(text) for text in batch["data"]]
        return batch


def build_steps(extractor_request: Any, **kwargs: Any) -> dict[str, Any]:
    steps = [StepDefinition(service_class=Count, resource_type=ResourceType.CPU)]
    return {"steps": build_pipeline_steps(PipelineDefinition(name="counted", version="1.0.0", steps=steps))}
