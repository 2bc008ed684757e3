"""Steps and pipelines."""

from mixpeek_dagster.plugins.pipeline import (
    PipelineDefinition,
    ResourceType,
    RowCondition,
    StepDefinition,
    build_pipeline_steps,
)

__all__ = ["PipelineDefinition", "ResourceType", "RowCondition", "StepDefinition", "build_pipeline_steps"]
