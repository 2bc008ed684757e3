"""What BentoML's pages show of a plugin."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.serving.plugin_server import PluginServer


@pytest.fixture
def quickstart(server: PluginServer) -> dict[str, Any]:
    operation: dict[str, Any] = httpx.get(f"{server.url}/docs.json").json()["paths"]["/my_extractor/1_0_0"]["post"]
    return operation


def test_request_has_named_inputs_and_an_example(quickstart: dict[str, Any]) -> None:
    schema = quickstart["requestBody"]["content"]["application/json"]["schema"]
    inputs = schema["properties"]["inputs"]["properties"]
    assert inputs["text"] == {"type": "string"}
    assert inputs["vector_index"]["enum"] == ["my_embedding"]
    assert schema["required"] == ["inputs"]
    assert schema["example"] == {"inputs": {"text": "hello world"}, "parameters": {}}


def test_example_is_answered(server: PluginServer, quickstart: dict[str, Any]) -> None:
    example = quickstart["requestBody"]["content"]["application/json"]["schema"]["example"]
    reply = httpx.post(f"{server.url}/my_extractor/1_0_0", json=example, timeout=120)
    assert reply.status_code == 200
    assert set(reply.json()) == {"embedding", "sentiment"}


def test_reply_tells_the_size_of_the_vector(quickstart: dict[str, Any]) -> None:
    schema = quickstart["responses"]["200"]["content"]["application/json"]["schema"]
    assert schema["properties"]["embedding"]["minItems"] == 384
    assert schema["properties"]["sentiment"] == {"type": "string"}


def test_errors_are_described_as_envelopes(quickstart: dict[str, Any]) -> None:
    assert set(quickstart["responses"]) == {"200", "413", "422", "429", "500", "503", "504"}
    schema = quickstart["responses"]["422"]["content"]["application/json"]["schema"]
    assert schema["required"] == ["success", "status", "error"]


def test_description_is_the_plugins(quickstart: dict[str, Any]) -> None:
    assert "Embeds texts and tells their tone" in quickstart["description"]
    assert "`my_embedding` (384, Cosine)" in quickstart["description"]


def test_page_may_load_nothing_from_elsewhere(server: PluginServer) -> None:
    page = httpx.get(server.url)
    assert "swagger-ui" in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'self'")


def test_metrics_count_a_plugins_requests(server: PluginServer) -> None:
    httpx.post(f"{server.url}/sync_call/1_0_0", json={"inputs": {"text": "hi"}})
    counted = [line for line in httpx.get(f"{server.url}/metrics").text.splitlines() if "/sync_call/1_0_0" in line]
    assert any("request_total" in line and 'http_response_code="200"' in line for line in counted)
