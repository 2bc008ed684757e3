"""Calling the realtime gateway for a client of the API."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import httpx
from fastapi.responses import Response

from mixpeek_dagster.errors import ErrorCode, ServingError
from mixpeek_dagster.http.client import certificates, failure_of, json_of, reaching
from mixpeek_dagster.http.envelope import Failure
from mixpeek_dagster.processes.up_lock import read_up
from mixpeek_dagster.settings import Settings

# Longer than the gateway's own limit, so that its refusal arrives.
_SECONDS = 150.0
_CODES = {401: ErrorCode.UNAUTHORIZED, 403: ErrorCode.FORBIDDEN, 404: ErrorCode.NOT_FOUND}


@dataclass(frozen=True)
class GatewayReply:
    """What the gateway replied, and after how many milliseconds."""

    reply: httpx.Response
    milliseconds: float

    @property
    def data(self) -> Any:
        """The body, or None if it is no JSON."""
        return json_of(self.reply)


def gateway_url(settings: Settings) -> str | None:
    """Where the gateway is: the settings', or that of the `mixpeek up` on this home folder."""
    url: str | None = settings.inference_url or read_up(settings.home_path).get("inference")
    return url.rstrip("/") if url else None


async def ask_gateway(
    settings: Settings,
    route: str,
    inputs: Mapping[str, Any],
    parameters: Mapping[str, Any],
    headers: Mapping[str, str],
) -> GatewayReply:
    """POST to a route of the gateway.

    Raises:
        ServingError: none is known, or it does not answer.
    """
    url = gateway_url(settings)
    if url is None:
        fix = "Run `mixpeek up`, or set MIXPEEK_INFERENCE_URL"
        raise ServingError("realtime inference", why="no gateway runs on this home folder", fix=fix)
    body = {"inputs": dict(inputs), "parameters": dict(parameters)}
    started = time.perf_counter()
    with reaching(f"the gateway at {url}", _SECONDS, fix="See that `mixpeek up` runs"):
        # A proxy of the environment's is for the internet; the gateway is on this machine or near it.
        async with httpx.AsyncClient(verify=certificates(), trust_env=False, timeout=_SECONDS) as client:
            answer = await client.post(f"{url}{route}", json=body, headers=dict(headers))
    return GatewayReply(answer, round((time.perf_counter() - started) * 1000, 2))


def refusal(answer: GatewayReply, name: str) -> Response:
    """The gateway's error as one of the API: its status, its words, and when to try again."""
    if answer.reply.status_code < 400:
        failure = Failure(502, f"the gateway's reply is not that of a service: {answer.reply.text[:200]!r}")
    else:
        failure = failure_of(answer.reply)
    default = ErrorCode.SERVING_FAILED if failure.status >= 500 or failure.status == 429 else ErrorCode.INVALID_REQUEST
    code = _CODES.get(failure.status, default)
    ours = {"code": code.value, "what": f"inference {name!r}", "why": failure.message}
    response = replace(failure, details={**ours, **failure.details}).response()
    if after := answer.reply.headers.get("Retry-After"):
        response.headers["Retry-After"] = after
    return response
