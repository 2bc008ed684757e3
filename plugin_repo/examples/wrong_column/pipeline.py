"""One step on a processor of its own."""

from engine.plugins.extractors.pipeline import PipelineDefinition, StepDefinition, build_pipeline_steps

from .manifest import metadata
from .processors.core import WordCounter


def build_steps(extractor_request, **kwargs):
    """The steps, which have nothing to choose."""
    pipeline = PipelineDefinition(
        name=metadata["feature_extractor_name"],
        version=metadata["version"],
        steps=[StepDefinition(service_class=WordCounter)],
    )
    return {"steps": build_pipeline_steps(pipeline)}
