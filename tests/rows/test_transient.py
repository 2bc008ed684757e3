"""Which exceptions of which clients are tried again, and how long the answer asks to wait."""

from __future__ import annotations

import email.message
import socket
import urllib.error
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace

import httpx
import pytest
import requests
import urllib3

from mixpeek_dagster.errors import NotFound, StoreUnavailable
from mixpeek_dagster.rows.transient import is_transient, retry_after, status_of


def answered(status: int, headers: dict[str, str] | None = None) -> list[Exception]:
    """How clients say that a server has answered with a status."""
    asked = httpx.Request("GET", "http://x/")
    answer = requests.Response()
    answer.status_code = status
    answer.headers.update(headers or {})
    message = email.message.Message()
    for name, value in (headers or {}).items():
        message[name] = value
    openai = type("APIStatusError", (Exception,), {"status_code": status})()
    openai.response = SimpleNamespace(headers=headers or {})
    google = type("APIError", (Exception,), {"code": status, "headers": headers or {}})()
    return [
        httpx.HTTPStatusError("x", request=asked, response=httpx.Response(status, headers=headers, request=asked)),
        requests.HTTPError("x", response=answer),
        urllib.error.HTTPError("http://x/", status, "x", message, None),
        openai,
        google,
    ]


def raised_from(cause: Exception) -> Exception:
    """A plugin's own exception around another one."""
    try:
        raise RuntimeError("could not describe the image") from cause
    except RuntimeError as error:
        return error


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 529])
def test_statuses_that_may_pass(status: int) -> None:
    for error in answered(status):
        assert status_of(error) == status
        assert is_transient(error)
        assert is_transient(raised_from(error))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 413, 422])
def test_statuses_that_stay(status: int) -> None:
    for error in answered(status):
        assert not is_transient(error)
        assert not is_transient(raised_from(error))


@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError("x"),
        httpx.ReadTimeout("x"),
        httpx.RemoteProtocolError("x"),
        httpx.PoolTimeout("x"),
        requests.ConnectionError("x"),
        requests.ReadTimeout("x"),
        requests.exceptions.ChunkedEncodingError("x"),
        urllib3.exceptions.ProtocolError("x"),
        ConnectionResetError("x"),
        TimeoutError("x"),
        StoreUnavailable("S3"),
        raised_from(ConnectionRefusedError("x")),
    ],
    ids=lambda error: type(error).__name__,
)
def test_no_answer_may_pass(error: Exception) -> None:
    assert is_transient(error)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("x"),
        KeyError("status"),
        OSError("x"),
        NotFound("x"),
        httpx.UnsupportedProtocol("x"),
        httpx.InvalidURL("x"),
        requests.exceptions.InvalidURL("x"),
        requests.exceptions.JSONDecodeError("x", "", 0),
        type("TimeoutError", (ValueError,), {})("x"),
        SystemExit(503),
    ],
    ids=lambda error: type(error).__name__,
)
def test_mistakes_do_not_pass(error: BaseException) -> None:
    assert not is_transient(error)


def test_a_name_that_cannot_be_looked_up_now_may_be_later() -> None:
    assert is_transient(urllib.error.URLError(socket.gaierror(socket.EAI_AGAIN, "x")))
    assert is_transient(socket.gaierror(socket.EAI_AGAIN, "x"))
    assert is_transient(urllib.error.URLError(ConnectionRefusedError("x")))


def test_a_chain_that_goes_round_ends() -> None:
    error = ValueError("x")
    error.__cause__ = error
    assert not is_transient(error)
    assert retry_after(error) is None


@pytest.mark.parametrize(("text", "seconds"), [("7", 7.0), ("0", 0.0), ("1.5", 1.5)])
def test_seconds_to_wait(text: str, seconds: float) -> None:
    for error in answered(429, {"Retry-After": text}):
        assert retry_after(error) == seconds
        assert retry_after(raised_from(error)) == seconds


@pytest.mark.parametrize("usegmt", [True, False])
def test_a_date_to_wait_for(usegmt: bool) -> None:
    text = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=usegmt)
    for error in answered(503, {"retry-after": text}):
        assert 60 < (retry_after(error) or 0) <= 100


def test_a_date_that_is_over_is_no_wait() -> None:
    assert retry_after(answered(503, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"})[0]) == 0


@pytest.mark.parametrize("text", ["soon", "", "-5", "1e3", "nan", "Wed, 99 Oct 2015 07:28:00 GMT"])
def test_what_cannot_be_read_is_no_wait(text: str) -> None:
    assert retry_after(answered(429, {"Retry-After": text})[0]) is None


def test_answers_without_the_header_ask_for_no_wait() -> None:
    assert [retry_after(error) for error in answered(429)] == [None] * 5
