"""Every built-in service; each kind's folder says what it has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mixpeek_dagster.errors import NotFound
from mixpeek_dagster.inference.image import models as image
from mixpeek_dagster.inference.realtime import RealtimeService
from mixpeek_dagster.inference.reranking import models as reranking
from mixpeek_dagster.inference.service import BatchService
from mixpeek_dagster.inference.speech import models as speech
from mixpeek_dagster.inference.text import models as text

_BUILT_IN: Mapping[type[BatchService], type[RealtimeService[Any]]] = {
    service: realtime for kind in (text, image, reranking, speech) for service, realtime in kind.BUILT_IN.items()
}
SERVICES = {service.model.model_id: service for service in _BUILT_IN}
"""Batch services by the id of their model."""


def get_batch_service(service_id: str) -> type[BatchService]:
    """The class of a built-in service, for a step's `service_class`.

    Raises:
        NotFound: there is none of this id; lists those there are.
    """
    if service_id not in SERVICES:
        fix = f"There are {', '.join(SERVICES)}. For another model, extend LazyModelMixin"
        raise NotFound(f"batch service {service_id!r}", fix=fix)
    return SERVICES[service_id]


def get_realtime_service(service: type[BatchService]) -> type[RealtimeService[Any]]:
    """What answers requests with the model of a built-in batch service."""
    return _BUILT_IN[service]
