from typing import Any

from engine.plugins.extractors.pipeline import (
    PipelineDefinition,
    ResourceType,
    RowCondition,
    StepDefinition,
    build_pipeline_steps,
)
from shared.inference.registry import get_batch_service

from .manifest import SpeechParams


def build_steps(extractor_request: Any, **kwargs: Any) -> dict[str, Any]:
    params = SpeechParams(**(extractor_request.extractor_config.parameters or {}))
    transcriber = get_batch_service(params.transcriber)
    embedder = get_batch_service("sentence-transformers/all-MiniLM-L6-v2")
    pipeline = PipelineDefinition(
        name="speech_search",
        version="1.0.0",
        steps=[
            StepDefinition(
                service_class=transcriber,
                resource_type=ResourceType.CPU,
                condition=RowCondition.IS_AUDIO,
                config={"output_column": "transcription", "language": params.language},
            ),
            StepDefinition(
                service_class=embedder,
                resource_type=ResourceType.CPU,
                config={"text_column": "transcription", "output_column_name": "embedding"},
            ),
        ],
    )
    return {"steps": build_pipeline_steps(pipeline)}
