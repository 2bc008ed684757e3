"""One step on a processor of its own."""

from typing import Any

from engine.plugins.extractors.pipeline import PipelineDefinition, ResourceType, StepDefinition, build_pipeline_steps

from .manifest import Parameters, metadata
from .processors.core import TextEmbedder


def build_steps(extractor_request: Any, container: Any = None, **kwargs: Any) -> dict[str, Any]:
    """The steps for one collection; a parameter that is out of bounds is refused here."""
    chosen = Parameters(**(extractor_request.extractor_config.parameters or {}))
    embed = StepDefinition(service_class=TextEmbedder, resource_type=ResourceType.CPU, config=chosen.model_dump())
    pipeline = PipelineDefinition(name=metadata["feature_extractor_name"], version=metadata["version"], steps=[embed])
    return {"steps": build_pipeline_steps(pipeline)}
