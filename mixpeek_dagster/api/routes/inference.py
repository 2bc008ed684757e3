"""Realtime inference: asking built-in services and deployed plugins by name."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from mixpeek_dagster.api.access import HeaderReader, State, state_of
from mixpeek_dagster.api.gateway import ask_gateway, gateway_url, refusal
from mixpeek_dagster.api.schemas.errors import ErrorEnvelope
from mixpeek_dagster.api.schemas.inference import (
    InferenceEndpoint,
    InferenceEndpoints,
    InferenceReply,
    InferenceRequest,
)
from mixpeek_dagster.catalog.access import Permission
from mixpeek_dagster.catalog.tenant import NamespaceView
from mixpeek_dagster.errors import InvalidRequest
from mixpeek_dagster.http.request_id import HEADER
from mixpeek_dagster.operations.inference import (
    InferenceTarget,
    target_of_model,
    target_of_name,
    target_of_uri,
    targets,
)
from mixpeek_dagster.operations.keys import issue_key

router = APIRouter(prefix="/inference", tags=["inference"])

_VECTOR = "vector_index"
_KEY_LIFE = timedelta(minutes=5)
_REFUSALS: dict[int | str, dict[str, Any]] = {
    429: {"model": ErrorEnvelope, "description": "Too much is waiting; `Retry-After` says when to try again."},
    502: {"model": ErrorEnvelope, "description": "The gateway's reply is not that of a service."},
    504: {"model": ErrorEnvelope, "description": "The service took too long."},
}


@router.get("", summary="List what can be asked")
def list_inference(view: HeaderReader, state: State) -> InferenceEndpoints:
    """The built-in services, and the namespace's plugins that are served."""
    found = [InferenceEndpoint.of(target) for target in targets(view)]
    return InferenceEndpoints(results=found, namespace_id=view.id, gateway=gateway_url(state.settings))


def gateway_key(request: Request) -> Iterator[str]:
    """The `Authorization` header for the gateway: the caller's own; without one, that of a key for this one call.

    Only calls from within this process come without one, and they can make keys as it is.
    """
    state = state_of(request)
    if state.trusted is None:
        yield request.headers["Authorization"]
        return
    catalog, expires = state.stores.catalog, datetime.now(UTC) + _KEY_LIFE
    key, secret = issue_key(catalog, state.trusted, "one call", [Permission.READ], expires)
    try:
        yield f"Bearer {secret}"
    finally:
        catalog.api_keys.delete(key.key_id)


@router.post("", summary="Ask a service or a plugin", response_model=InferenceReply, responses=_REFUSALS)
async def infer(
    request: Request,
    view: HeaderReader,
    state: State,
    wanted: InferenceRequest,
    authorization: Annotated[str, Depends(gateway_key)],
) -> InferenceReply | Response:
    """Passes `inputs` and `parameters` on to the gateway, and its reply back.

    A plugin must be deployed. Asked by `feature_uri`, its `inputs.vector_index` is the vector that the URI names.
    Errors of the gateway come with their status and `Retry-After`.
    """
    target = await run_in_threadpool(_target, view, wanted)
    headers = {
        "Authorization": authorization,
        "X-Namespace": request.headers["X-Namespace"],
        HEADER: request.state.request_id,
    }
    inputs = _inputs(wanted.inputs, target)
    answer = await ask_gateway(state.settings, target.route, inputs, wanted.parameters, headers)
    data = answer.data
    if not answer.reply.is_success or not isinstance(data, dict):
        return refusal(answer, target.name)
    return InferenceReply(data=data, provider=target.provider, model=target.model, latency_ms=answer.milliseconds)


def _target(view: NamespaceView, wanted: InferenceRequest) -> InferenceTarget:
    if wanted.inference_name is not None:
        return target_of_name(view, wanted.inference_name)
    if wanted.feature_uri is not None:
        return target_of_uri(view, wanted.feature_uri)
    return target_of_model(view, wanted.provider or "", wanted.model or "")


def _inputs(given: dict[str, Any], target: InferenceTarget) -> dict[str, Any]:
    if target.vector is None:
        return given
    if given.get(_VECTOR, target.vector) != target.vector:
        why = f"{_VECTOR} is {given[_VECTOR]!r}, the feature_uri says {target.vector!r}"
        raise InvalidRequest("inputs", why=why, fix="Leave one of them out")
    return given | {_VECTOR: target.vector}
