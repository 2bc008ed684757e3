"""What goes wrong is said in an envelope, and never takes another plugin down."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from mixpeek_dagster.errors import ServingError
from mixpeek_dagster.operations.endpoint_client import infer
from tests.serving.plugin_server import PluginServer


def post(server: PluginServer, name: str, body: object = None, **options: Any) -> httpx.Response:
    if not options:
        options = {"json": {"inputs": {"text": "hi"}} if body is None else body}
    return httpx.post(f"{server.url}/{name}/1_0_0", timeout=60, **options)


def error_of(reply: httpx.Response, status: int) -> dict[str, Any]:
    """The error in an envelope, which must have just the documented shape."""
    assert reply.status_code == status
    assert reply.headers["content-type"] == "application/json"
    body = reply.json()
    assert set(body) == {"success", "status", "error"}
    assert (body["success"], body["status"]) == (False, status)
    assert "Traceback" not in reply.text
    error: dict[str, Any] = body["error"]
    assert error["details"].pop("request_id") == reply.headers["x-request-id"]
    return error


def test_wrong_dimension_names_feature_and_sizes(server: PluginServer) -> None:
    error = error_of(post(server, "wrong_dimension"), 500)
    assert error["type"] == "SchemaValidationError"
    assert error["message"] == (
        "reply of plugin 'wrong_dimension_1_0_0': 'embedding' (feature 'vector'): 3 numbers needed, got 2 numbers"
    )
    assert error["details"] == {"feature": "vector", "key": "embedding", "dimension": 3, "got": [2]}


def test_exception_is_told_with_its_place_in_the_plugin(server: PluginServer) -> None:
    error = error_of(post(server, "raising"), 500)
    assert error["type"] == "FeatureExtractionError"
    assert error["message"] == ("realtime.py:6: plugin 'raising_1_0_0' raised LookupError: no such colour: octarine")
    assert error["details"] == {"exception": "LookupError", "where": "realtime.py:6"}


def test_exception_leaves_its_traceback_in_the_log(server: PluginServer) -> None:
    post(server, "raising")
    assert 'raise LookupError("no such colour: octarine")' in server.log.read_text(encoding="utf-8")


def test_plugin_that_exits_does_not_end_the_server(server: PluginServer) -> None:
    error = error_of(post(server, "exiting"), 500)
    assert "SystemExit: 3" in error["message"]
    assert "SystemExit: 3" in error_of(post(server, "exiting"), 500)["message"]


def test_reply_that_is_no_dict_is_refused(server: PluginServer) -> None:
    error = error_of(post(server, "no_dict"), 500)
    assert error["message"] == "reply of plugin 'no_dict_1_0_0': it is a list, a dict is needed"


def test_broken_import_answers_503_with_the_reason(server: PluginServer) -> None:
    error = error_of(post(server, "broken_import"), 503)
    assert error["type"] == "InferenceServiceUnavailableError"
    assert "realtime.py:1" in error["message"]
    assert "No module named 'a_module_that_nobody_has'" in error["message"]


def test_readyz_tells_which_plugins_are_broken(server: PluginServer) -> None:
    reply = httpx.get(f"{server.url}/readyz")
    report = reply.json()
    assert reply.status_code == 200
    about = report["endpoints"]["/sync_call/1_0_0"]
    assert about.pop("cold_start_seconds") > 0
    assert about == {"state": "ready", "plugin": "sync_call_1_0_0", "in_flight": 0, "queued": 0}
    assert report["endpoints"]["/broken_import/1_0_0"]["state"] == "failed"
    assert "a_module_that_nobody_has" in report["endpoints"]["/broken_import/1_0_0"]["problem"]
    (unread,) = report["unserved"].values()
    assert "Did you mean 'feature_type'?" in unread


def test_server_object_tells_the_same_problems(server: PluginServer) -> None:
    broken, unread = sorted(server.problems)
    assert broken == "/broken_import/1_0_0"
    assert unread.endswith("wrong_feature_keys")


def test_healthz_is_well_beside_broken_plugins(server: PluginServer) -> None:
    assert httpx.get(f"{server.url}/healthz").status_code == 200


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"{}", "inputs: Field required"),
        (b'{"inputs": ["hi"]}', "inputs: Input should be"),
        (b'{"inputs": {}, "parameters": 3}', "parameters: Input should be"),
        (b'{"inputs": {}, "params": {}}', "params: Extra inputs are not permitted"),
        (b"[1]", "body: "),
        (b"{", "body: Invalid JSON"),
        (b"", "body: Invalid JSON"),
        (b"\xff\xfe", "body: Invalid JSON"),
    ],
)
def test_wrong_body_names_the_field(server: PluginServer, content: bytes, named: str) -> None:
    error = error_of(post(server, "sync_call", content=content), 422)
    assert error["type"] == "ValidationError"
    assert named in error["message"]
    assert error["details"]["validation_errors"][0]["location"][0] == "body"


def test_pickled_body_is_not_read(server: PluginServer) -> None:
    header = {"content-type": "application/vnd.bentoml+pickle"}
    reply = post(server, "sync_call", content=b"\x80\x04N.", headers=header)
    assert error_of(reply, 415)["type"] == "BadRequestError"


def test_unknown_route_lists_the_routes(server: PluginServer) -> None:
    error = error_of(httpx.post(f"{server.url}/my_extractor/2_0_0", json={"inputs": {}}), 404)
    assert error["type"] == "NotFoundError"
    assert "/my_extractor/1_0_0" in error["details"]["routes"]
    assert "/my_extractor/1_0_0" in error["message"]


def test_wrong_method_is_told_in_an_envelope(server: PluginServer) -> None:
    assert "Method Not Allowed" in error_of(httpx.get(f"{server.url}/sync_call/1_0_0"), 405)["message"]


def test_client_raises_what_the_envelope_says(server: PluginServer) -> None:
    with pytest.raises(ServingError, match=r"HTTP 500: FeatureExtractionError: .*octarine"):
        infer(f"{server.url}/raising/1_0_0", {"text": "hi"})


def test_client_refuses_what_no_endpoint_would_say(server: PluginServer) -> None:
    with pytest.raises(ServingError, match="HTTP 405"):
        infer(f"{server.url}/healthz", {})
