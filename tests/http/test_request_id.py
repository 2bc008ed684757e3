"""One rule for request ids: a safe one is kept, any other is replaced, none is refused."""

from __future__ import annotations

import httpx
import pytest

from tests.http.app import Server
from tests.http.lines import line_of


@pytest.mark.parametrize("given", ["a", "from-the-client-1", "00-4bf9/2:7.x_y+z==", "7" * 128])
def test_a_safe_id_is_kept_everywhere(server: Server, given: str) -> None:
    reply = httpx.get(f"{server.url}/later", headers={"X-Request-ID": given})
    assert reply.headers["x-request-id"] == given
    assert reply.json()["error"]["details"]["request_id"] == given
    assert line_of(server.log, given)["status"] == 429


@pytest.mark.parametrize("given", ["", "two words", "x" * 129, 'quo"te', "-rm", "=1+1", "a\tb", "<b>", "é"])
def test_an_unsafe_id_is_replaced_and_never_refused(server: Server, given: str) -> None:
    reply = httpx.post(f"{server.url}/count", headers={b"X-Request-ID": given.encode()}, content=b"123")
    assert (reply.status_code, reply.json()) == (200, {"bytes": 3})
    made = reply.headers["x-request-id"]
    assert made.startswith("req_")
    assert line_of(server.log, made)["status"] == 200


def test_every_request_gets_an_id_of_its_own(server: Server) -> None:
    made = {httpx.get(f"{server.url}/well").headers["x-request-id"] for _ in range(20)}
    assert len(made) == 20
