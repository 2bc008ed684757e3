from typing import Any

from engine.plugins.extractors.pipeline import (
    PipelineDefinition,
    ResourceType,
    RowCondition,
    StepDefinition,
    build_pipeline_steps,
)
from shared.inference.registry import get_batch_service


def build_steps(extractor_request: Any, **kwargs: Any) -> dict[str, Any]:
    pipeline = PipelineDefinition(
        name="text_vectors",
        version="1.0.0",
        steps=[
            StepDefinition(
                service_class=get_batch_service("sentence-transformers/all-MiniLM-L6-v2"),
                resource_type=ResourceType.CPU,
                condition=RowCondition.IS_TEXT,
                config={"text_column": "data", "output_column_name": "text_vector"},
            ),
        ],
    )
    return {"steps": build_pipeline_steps(pipeline)}
