"""One step, for rows that are pictures; on a machine without a graphics card it runs on the processor."""

from typing import Any

from engine.plugins.extractors.pipeline import (
    PipelineDefinition,
    ResourceType,
    RowCondition,
    StepDefinition,
    build_pipeline_steps,
)

from .manifest import metadata
from .processors.classifier import ImageClassifierProcessor


def build_steps(extractor_request: Any, **kwargs: Any) -> dict[str, Any]:
    """The steps, which have nothing to choose."""
    classify = StepDefinition(
        service_class=ImageClassifierProcessor, resource_type=ResourceType.GPU, condition=RowCondition.IS_IMAGE
    )
    pipeline = PipelineDefinition(
        name=metadata["feature_extractor_name"], version=metadata["version"], steps=[classify]
    )
    return {"steps": build_pipeline_steps(pipeline)}
