"""One step on a processor of its own."""

from typing import Any

from engine.plugins.extractors.pipeline import PipelineDefinition, StepDefinition, build_pipeline_steps

from .manifest import metadata
from .processors.core import WordCounter


def build_steps(extractor_request: Any, **kwargs: Any) -> dict[str, Any]:
    """The steps, which have nothing to choose."""
    pipeline = PipelineDefinition(
        name=metadata["feature_extractor_name"],
        version=metadata["version"],
        steps=[StepDefinition(service_class=WordCounter)],
    )
    return {"steps": build_pipeline_steps(pipeline)}
