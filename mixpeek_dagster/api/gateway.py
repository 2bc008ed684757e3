"""Calling the realtime gateway for a client of the API."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from fastapi.responses import JSONResponse

from mixpeek_dagster.api.errors import reply
from mixpeek_dagster.errors import ErrorCode, ServingError
from mixpeek_dagster.operations.endpoint_client import certificates
from mixpeek_dagster.processes.up_lock import read_up
from mixpeek_dagster.settings import Settings

# Longer than the gateway's own limit, so that its refusal arrives.
_SECONDS = 150.0
_CODES = {401: ErrorCode.UNAUTHORIZED, 403: ErrorCode.FORBIDDEN, 404: ErrorCode.NOT_FOUND}
_TYPES = {429: "TooManyRequestsError", 503: "InferenceServiceUnavailableError", 504: "TimeoutError"}


@dataclass(frozen=True)
class GatewayReply:
    """What the gateway replied, and after how many milliseconds."""

    reply: httpx.Response
    milliseconds: float

    @property
    def data(self) -> Any:
        """The body, or None if it is no JSON."""
        try:
            return self.reply.json()
        except ValueError:
            return None


def gateway_url(settings: Settings) -> str | None:
    """Where the gateway is: the settings', or that of the `mixpeek up` on this home folder."""
    url = settings.inference_url or read_up(settings.home_path).get("inference")
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
    try:
        # A proxy of the environment's is for the internet; the gateway is on this machine or near it.
        async with httpx.AsyncClient(verify=certificates(), trust_env=False, timeout=_SECONDS) as client:
            answer = await client.post(f"{url}{route}", json=body, headers=dict(headers))
    except httpx.TimeoutException:
        raise ServingError(f"the gateway at {url}", why=f"no answer within {_SECONDS:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        why = f"it does not answer: {error or type(error).__name__}"
        raise ServingError(f"the gateway at {url}", why=why, fix="See that `mixpeek up` runs") from None
    return GatewayReply(answer, round((time.perf_counter() - started) * 1000, 2))


def refusal(answer: GatewayReply, name: str) -> JSONResponse:
    """The gateway's error as one of the API: its status, its words, and when to try again."""
    status = answer.reply.status_code
    if status < 400:
        status, said = 502, f"the gateway's reply is not that of a service: {answer.reply.text[:200]!r}"
        given: dict[str, Any] = {}
    else:
        body = answer.data
        error = body.get("error") if isinstance(body, dict) else None
        given = error if isinstance(error, dict) else {}
        said = str(given.get("message") or answer.reply.text[:200] or answer.reply.reason_phrase)
    default = ErrorCode.SERVING_FAILED if status >= 500 or status == 429 else ErrorCode.INVALID_REQUEST
    code = _CODES.get(status, default)
    ours = {"code": code.value, "what": f"inference {name!r}", "why": said}
    details = given.get("details")
    kind = str(given.get("type") or _TYPES.get(status, "InternalServerError" if status >= 500 else "BadRequestError"))
    response = reply(status, kind, said, ours | (details if isinstance(details, dict) else {}))
    if after := answer.reply.headers.get("Retry-After"):
        response.headers["Retry-After"] = after
    return response
