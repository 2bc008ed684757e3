"""The services' own OpenAPI, held against them: whatever it allows is answered as it says, and nothing else is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.serving.model_server import ModelServer, served
from tests.serving.plugin_server import PluginServer

CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]
# It answers whatever the inputs are, so nothing but the service itself can fail.
PATIENT = "/with_numpy/1_0_0"
ROUTES = [PATIENT, "/my_extractor/1_0_0", "/raising/1_0_0", "/wrong_dimension/1_0_0", "/broken_import/1_0_0"]


TEXTS, IMAGES = "sentence-transformers/all-MiniLM-L6-v2", "torchvision/mobilenet_v2"
REFUSED = {413, 422, 429}


@pytest.fixture(scope="module")
def model_server(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    with served([TEXTS, IMAGES], models, tmp_path_factory.mktemp("schema")) as server:
        yield server


def operation_of(url: str, route: str) -> Any:
    """The POST of a route, as the running service describes it."""
    schema = schemathesis.openapi.from_dict(httpx.get(f"{url}/docs.json").json())
    return schema[route]["POST"]


def call_many(operation: Any, mode: GenerationMode, url: str, allowed: set[int] | None) -> None:
    """Some twenty generated requests; every reply must be one that the schema has."""

    @settings(max_examples=20, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def call(case: schemathesis.Case[Any]) -> None:
        # The first call of the example loads its model.
        reply = case.call(base_url=url, timeout=120)
        case.validate_response(reply, checks=CHECKS)
        if allowed is not None:
            assert reply.status_code in allowed, reply.text

    call()


@pytest.mark.parametrize("route", ROUTES)
def test_what_the_schema_allows_is_answered_as_it_says(route: str, server: PluginServer) -> None:
    allowed = {200} if route == PATIENT else None
    call_many(operation_of(server.url, route), GenerationMode.POSITIVE, server.url, allowed)


@pytest.mark.parametrize("route", ROUTES)
def test_what_the_schema_does_not_allow_is_refused(route: str, server: PluginServer) -> None:
    call_many(operation_of(server.url, route), GenerationMode.NEGATIVE, server.url, None)


@pytest.mark.slow
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("model", [TEXTS, IMAGES])
def test_no_request_makes_a_built_in_model_fail(model: str, mode: GenerationMode, model_server: ModelServer) -> None:
    route = model_server.url_of(model).removeprefix(model_server.url)
    call_many(operation_of(model_server.url, route), mode, model_server.url, {200} | REFUSED)
