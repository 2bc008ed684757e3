"""Every error reply has one shape, whoever made it, and is the same error again at the other end."""

from __future__ import annotations

from typing import Any

import httpx
import jsonschema
import pytest

from mixpeek_dagster.errors import MixpeekError, NotFound, PluginRejected, ServingError
from mixpeek_dagster.http.client import answer_of, reaching
from mixpeek_dagster.http.envelope import SCHEMA, read_failure
from tests.http.app import SECRET, Server
from tests.http.lines import line_of, lines_of
from tests.test_errors import kinds
from tests.waiting import free_port


def error_of(reply: httpx.Response, status: int) -> dict[str, Any]:
    """The error in an envelope, without the request's id."""
    assert reply.status_code == status
    assert reply.headers["content-type"] == "application/json"
    body = reply.json()
    assert set(body) == {"success", "status", "error"}
    assert set(body["error"]) == {"type", "message", "details"}
    assert (body["success"], body["status"]) == (False, status)
    jsonschema.validate(body, SCHEMA)
    error: dict[str, Any] = body["error"]
    assert error["details"].pop("request_id") == reply.headers["x-request-id"]
    return error


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)
def test_an_error_of_ours_crosses_the_wire_whole(server: Server, kind: type[MixpeekError]) -> None:
    reply = httpx.get(f"{server.url}/errors/{kind.__name__}")
    error = error_of(reply, reply.status_code)
    assert reply.status_code >= 400
    assert (error["message"], error["details"]["code"]) == ("plugin 'a': it left", kind.code.value)
    with pytest.raises(MixpeekError) as caught:
        answer_of(reply, "the server")
    assert type(caught.value) is kind
    assert (caught.value.message, caught.value.fix) == ("plugin 'a': it left", "Push it")
    if isinstance(caught.value, PluginRejected):
        assert caught.value.validation_errors == [{"line": 3}]


def test_a_missing_key_is_told_to_the_browser(server: Server) -> None:
    assert httpx.get(f"{server.url}/errors/Unauthorized").headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("status", "text", "kind", "message"),
    [
        (418, "no coffee", "BadRequestError", "GET /foreign: no coffee"),
        (400, '{"error": "no sugar"}', "BadRequestError", "GET /foreign: no sugar"),
        (500, '{"success": false, "error": "no"}', "InternalServerError", "GET /foreign: no"),
        (503, "", "InferenceServiceUnavailableError", "GET /foreign: Service Unavailable"),
        (599, "", "InternalServerError", "GET /foreign: status 599"),
        (404, "[1]", "NotFoundError", "GET /foreign: [1]"),
    ],
)
def test_a_foreign_error_is_put_into_the_envelope(
    server: Server, status: int, text: str, kind: str, message: str
) -> None:
    reply = httpx.get(f"{server.url}/foreign", params={"status": status, "text": text})
    assert error_of(reply, status) == {"type": kind, "message": message, "details": {}}


def test_what_the_framework_refuses_is_in_the_envelope(server: Server) -> None:
    assert error_of(httpx.get(f"{server.url}/nowhere"), 404)["type"] == "NotFoundError"
    refused = httpx.get(f"{server.url}/count")
    assert error_of(refused, 405)["message"] == "GET /count: Method Not Allowed"
    assert refused.headers["allow"] == "POST"


def test_an_exception_is_told_to_the_log_and_not_to_the_client(server: Server) -> None:
    reply = httpx.get(f"{server.url}/fail")
    error = error_of(reply, 500)
    assert error["details"] == {"code": "internal"}
    assert SECRET not in reply.text
    (line,) = lines_of(server.log, reply.headers["x-request-id"], "request failed")
    assert (line["level"], line["error"], line["path"]) == ("error", "RuntimeError", "/fail")
    assert f"RuntimeError: {SECRET}" in line["traceback"]
    assert line_of(server.log, reply.headers["x-request-id"])["status"] == 500


def test_a_report_keeps_its_shape(server: Server) -> None:
    reply = httpx.get(f"{server.url}/report")
    assert (reply.status_code, reply.json()) == (503, {"well": False})
    assert reply.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize("text", ["[1]", "3", "octarine", ""])
def test_a_success_that_is_not_ours_is_an_error_of_the_kind_asked_for(server: Server, text: str) -> None:
    reply = httpx.get(f"{server.url}/foreign", params={"status": 200, "text": text})
    with pytest.raises(NotFound, match="the gateway: HTTP 200: not the reply of one of ours"):
        answer_of(reply, "the gateway", NotFound)


def test_an_envelope_without_a_code_is_an_error_of_the_kind_asked_for(server: Server) -> None:
    with pytest.raises(ServingError, match=r"^endpoint a: HTTP 429: TooManyRequestsError: too much waits \["):
        answer_of(httpx.get(f"{server.url}/later"), "endpoint a")


def test_where_nobody_listens_is_told_with_what_to_do() -> None:
    with pytest.raises(ServingError) as caught, reaching("the gateway", 1, "Start it"):
        httpx.get(f"http://127.0.0.1:{free_port()}")
    assert caught.value.message.startswith("the gateway: it does not answer: ")
    assert caught.value.fix == "Start it"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"3",
        b"[]",
        b"{}",
        b'{"success": true, "error": {"type": "a", "message": "b"}}',
        b'{"success": false}',
    ],
)
def test_what_is_no_envelope_is_not_read_as_one(body: bytes) -> None:
    assert read_failure(500, body) is None
