"""The built-in batch services by the id of their model."""

from __future__ import annotations

from mixpeek_dagster.errors import NotFound
from mixpeek_dagster.inference.image.models import MobileNetV2, SiglipBasePatch16224
from mixpeek_dagster.inference.reranking.service import BgeRerankerV2M3
from mixpeek_dagster.inference.service import BatchService
from mixpeek_dagster.inference.speech.service import WhisperLargeV3Turbo, WhisperTinyEn
from mixpeek_dagster.inference.text.models import AllMiniLML6V2, JinaEmbeddingsV2BaseCode, MultilingualE5LargeInstruct

SERVICES: dict[str, type[BatchService]] = {
    service.model.model_id: service
    for service in (
        MultilingualE5LargeInstruct,
        SiglipBasePatch16224,
        JinaEmbeddingsV2BaseCode,
        BgeRerankerV2M3,
        WhisperLargeV3Turbo,
        AllMiniLML6V2,
        MobileNetV2,
        WhisperTinyEn,
    )
}
"""Every built-in service."""


def get_batch_service(service_id: str) -> type[BatchService]:
    """The class of a built-in service, for a step's `service_class`.

    Raises:
        NotFound: there is none of this id; lists those there are.
    """
    if service_id not in SERVICES:
        fix = f"There are {', '.join(SERVICES)}. For another model, extend LazyModelMixin"
        raise NotFound(f"batch service {service_id!r}", fix=fix)
    return SERVICES[service_id]
