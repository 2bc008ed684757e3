"""One line for each request, with the same fields for every server."""

from __future__ import annotations

import httpx

from tests.http.app import Server
from tests.http.lines import FIELDS, line_of


def test_a_line_has_the_figures_of_its_request_and_not_its_content(server: Server) -> None:
    headers = {"X-Request-ID": "told", "Authorization": "Bearer sk_never"}
    reply = httpx.post(f"{server.url}/count?query=never", content=b"never told", headers=headers)
    line = line_of(server.log, "told")
    assert set(line) == FIELDS
    assert (line["event"], line["level"], line["method"], line["path"]) == ("request", "info", "POST", "/count")
    assert (line["status"], line["bytes_in"], line["bytes_out"]) == (200, 10, len(reply.content))
    assert line["milliseconds"] > 0
    assert "never" not in server.log.read_text(encoding="utf-8")


def test_a_refusal_is_told_with_its_own_size_and_when_to_come_again(server: Server) -> None:
    reply = httpx.get(f"{server.url}/later")
    line = line_of(server.log, reply.headers["x-request-id"])
    assert (line["status"], line["retry_after"], line["bytes_out"]) == (429, "7", len(reply.content))
    assert set(line) == FIELDS | {"retry_after"}


def test_a_long_path_is_cut(server: Server) -> None:
    reply = httpx.get(f"{server.url}/{'x' * 5000}")
    assert len(line_of(server.log, reply.headers["x-request-id"])["path"]) == 200
