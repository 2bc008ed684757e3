"""Calling a realtime endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from mixpeek_dagster.http.client import answer_of, certificates, reaching

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
        MixpeekError: the gateway refused it, as without a valid key.
    """
    body = {"inputs": dict(inputs), "parameters": dict(parameters or {})}
    with reaching(f"endpoint {url}", timeout, fix="See that the inference server runs"):
        # A proxy of the environment's is for the internet; endpoints are on this machine or near it.
        reply = httpx.post(url, json=body, timeout=timeout, verify=certificates(), trust_env=False)
    return answer_of(reply, f"endpoint {url}")
