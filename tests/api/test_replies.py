"""What every reply has: an envelope, an id; and that no request whatever makes the server fail."""

from __future__ import annotations

import os
import re
import signal
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode

from mixpeek_dagster.api.app import create_app
from mixpeek_dagster.api.listen import listen
from mixpeek_dagster.api.server import ApiServer
from mixpeek_dagster.errors import SettingsError
from mixpeek_dagster.settings import Settings
from mixpeek_dagster.stores import Stores
from tests.api.conftest import Client, MakeClient
from tests.http.lines import FIELDS, line_of


def test_health_needs_no_key(server: ApiServer) -> None:
    reply = httpx.get(f"{server.url}/health")
    assert reply.json()["stores"] == {"mongodb": "ok", "qdrant": "ok", "s3": "ok"}


def test_health_is_503_when_a_store_is_down(api_settings: Settings, stores: Stores) -> None:
    away = stores.environment() | {"MIXPEEK_QDRANT_URL": "http://127.0.0.1:9", "MIXPEEK_API_PORT": "0"}
    server = ApiServer(api_settings, away)
    server.health = "/openapi.json"
    with server:
        reply = httpx.get(f"{server.url}/health", timeout=60)
    assert reply.status_code == 503
    assert reply.json()["stores"]["qdrant"] == "down"


def test_the_docs_page_asks_for_nothing_from_elsewhere(server: ApiServer) -> None:
    page = httpx.get(f"{server.url}/docs").text
    wanted = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert wanted
    assert all(httpx.get(f"{server.url}{path}").is_success for path in wanted)


def test_the_schema_says_which_routes_want_a_key(server: ApiServer) -> None:
    paths = httpx.get(f"{server.url}/openapi.json").json()["paths"]
    keyless = {path for path, methods in paths.items() if any("security" not in m for m in methods.values())}
    assert keyless == {"/health"}


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", "/nothing", 404, "NotFoundError"),
        ("PATCH", "/namespaces/list", 405, "BadRequestError"),
        ("GET", "/collections/nothing", 404, "NotFoundError"),
        ("POST", "/buckets", 422, "ValidationError"),
    ],
)
def test_errors_have_one_envelope(client: Client, method: str, path: str, status: int, kind: str) -> None:
    reply = client.call(method, path)
    assert reply.status_code == status
    body = reply.json()
    assert body["success"] is False
    assert body["status"] == status
    assert body["error"]["type"] == kind
    assert body["error"]["message"]
    assert body["error"]["details"]["request_id"] == reply.headers["X-Request-ID"]


def test_a_request_without_a_namespace_lists_them(client: Client) -> None:
    del client.http.headers["X-Namespace"]
    reply = client.call("POST", "/collections/list")
    assert reply.status_code == 400
    assert client.namespace in reply.json()["error"]["details"]["fix"]


def test_lists_come_in_pages(client: Client) -> None:
    for number in range(5):
        client.call("POST", "/buckets", json={"bucket_name": f"b{number}"})
    first = client.call("POST", "/buckets/list", params={"limit": 2, "include_total": True}).json()
    assert [item["bucket_name"] for item in first["results"]] == ["b0", "b1"]
    assert first["pagination"] | {"total": 5, "total_pages": 3, "next_page": 2} == first["pagination"]
    last = client.call("POST", "/buckets/list", params={"limit": 2, "offset": 4}).json()
    assert [item["bucket_name"] for item in last["results"]] == ["b4"]
    assert last["pagination"]["next_page"] is None


def test_the_log_tells_who_asked_and_not_with_which_key(client: Client, server: ApiServer) -> None:
    reply = client.call("GET", "/organizations/me")
    line = line_of(server.log, reply.headers["X-Request-ID"])
    assert set(line) == FIELDS | {"organization"}
    assert (line["path"], line["organization"]) == ("/v1/organizations/me", client.organization_id)
    assert client.http.headers["Authorization"].removeprefix("Bearer ") not in server.log.read_text()


def test_embedded_stores_are_not_served_to_the_network(tmp_path: object) -> None:
    with pytest.raises(SettingsError, match="loopback"):
        listen(Settings.model_validate({"home": tmp_path}), "0.0.0.0", 0)


def test_one_interrupt_stops_the_server(api_settings: Settings, stores: Stores) -> None:
    with ApiServer(api_settings, stores.environment()) as server:
        os.killpg(server.pid, signal.SIGINT)
        assert server._process.wait(20)
        assert server._process.status in (0, -signal.SIGINT, 130)


SCHEMA = schemathesis.openapi.from_dict(create_app(None, Settings()).openapi())  # type: ignore[arg-type]
OPERATIONS: list[Any] = [operation.ok() for operation in SCHEMA.get_all_operations()]  # type: ignore[union-attr]


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_no_request_makes_the_server_fail(
    operation: Any, mode: GenerationMode, server: ApiServer, make_client: MakeClient
) -> None:
    headers = dict(make_client().http.headers)

    @settings(max_examples=10, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def call(case: schemathesis.Case[Any]) -> None:
        reply = case.call(base_url=server.url, headers=headers)
        assert reply.status_code < 500, reply.text
        if reply.status_code >= 400:
            assert reply.json()["error"]["message"]

    try:
        call()
    except Unsatisfiable:
        pytest.skip("nothing about this operation can be wrong")
