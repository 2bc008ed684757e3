from typing import Any

import numpy as np
import pandas as pd
from engine.plugins.extractors.pipeline import PipelineDefinition, ResourceType, StepDefinition, build_pipeline_steps


class RandomVectors:
    """Write a float32 vector of 1,024 numbers to each row."""

    def __init__(self, config: Any = None, **kwargs: Any) -> None:
        self._chance = np.random.default_rng(0)

    def __call__(self, batch: pd.DataFrame) -> pd.DataFrame:
        batch["wide_vector"] = list(self._chance.standard_normal((len(batch), 1024), dtype=np.float32))
        return batch


def build_steps(extractor_request: Any, **kwargs: Any) -> dict[str, Any]:
    steps = [StepDefinition(service_class=RandomVectors, resource_type=ResourceType.CPU)]
    return {"steps": build_pipeline_steps(PipelineDefinition(name="wide_vectors", version="1.0.0", steps=steps))}
