"""Two steps: the model is asked over the network, and its answers are embedded on this machine."""

from typing import Any

from engine.plugins.extractors.pipeline import (
    PipelineDefinition,
    ResourceType,
    RowCondition,
    StepDefinition,
    build_pipeline_steps,
)

from .manifest import Parameters, metadata
from .processors.captioner import Captioner
from .processors.embedder import CaptionEmbedder


def build_steps(extractor_request: Any, container: Any = None, **kwargs: Any) -> dict[str, Any]:
    """The steps for one collection. `container.llm` holds the platform's keys, the plugin none."""
    chosen = Parameters(**(extractor_request.extractor_config.parameters or {}))
    ask = StepDefinition(
        service_class=Captioner,
        resource_type=ResourceType.API,
        condition=RowCondition.IS_IMAGE,
        config={"llm": container.llm, "prompt": chosen.prompt},
    )
    embed = StepDefinition(service_class=CaptionEmbedder, condition=RowCondition.IS_IMAGE)
    pipeline = PipelineDefinition(
        name=metadata["feature_extractor_name"], version=metadata["version"], steps=[ask, embed]
    )
    return {"steps": build_pipeline_steps(pipeline)}
