"""Calling a realtime endpoint."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from functools import cache
from typing import Any

import httpx

from mixpeek_dagster.errors import ServingError

TIMEOUT_SECONDS = 120.0


def infer(
    url: str,
    inputs: Mapping[str, Any],
    parameters: Mapping[str, Any] | None = None,
    timeout: float = TIMEOUT_SECONDS,
) -> dict[str, Any]:
    """What an endpoint answers to these inputs.

    Args:
        url: of the endpoint, such as `http://127.0.0.1:8001/my_extractor/1_0_0`.
        inputs: what to work on, JSON-ready.
        parameters: options of the plugin, JSON-ready.
        timeout: seconds; a plugin's first call may have to load its model.

    Raises:
        ServingError: nothing answers there, or what answers is an error.
    """
    body = {"inputs": dict(inputs), "parameters": dict(parameters or {})}
    try:
        # A proxy of the environment's is for the internet; endpoints are on this machine or near it.
        reply = httpx.post(url, json=body, timeout=timeout, verify=certificates(), trust_env=False)
    except httpx.TimeoutException:
        raise ServingError(f"endpoint {url}", why=f"no answer within {timeout:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        why = f"no answer: {error or type(error).__name__}"
        raise ServingError(f"endpoint {url}", why=why, fix="See that the inference server runs") from None
    answer = _json(reply)
    if reply.is_success and isinstance(answer, dict):
        return answer
    raise ServingError(f"endpoint {url}", why=f"HTTP {reply.status_code}: {_reason(reply, answer)}")


@cache
def certificates() -> ssl.SSLContext:
    """Those that are trusted, read once: it takes longer than a call does."""
    return httpx.create_ssl_context()


def _json(reply: httpx.Response) -> Any:
    try:
        return reply.json()
    except ValueError:
        return None


def _reason(reply: httpx.Response, answer: Any) -> str:
    error = answer.get("error") if isinstance(answer, dict) else None
    if isinstance(error, dict):
        return f"{error.get('type')}: {error.get('message')}"
    return f"not the reply of an endpoint: {reply.text[:200]!r}"
