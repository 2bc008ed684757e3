"""One limit on bodies: by what they say of themselves, and by what arrives."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import httpx
import pytest

from tests.http.app import MOST, Server
from tests.http.lines import line_of


def parts(total: int) -> Iterator[bytes]:
    for start in range(0, total, 100):
        yield b"x" * min(100, total - start)


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "in parts"])
def test_a_body_of_the_limit_passes(server: Server, announced: bool) -> None:
    reply = httpx.post(f"{server.url}/count", content=b"x" * MOST if announced else parts(MOST))
    assert reply.json() == {"bytes": MOST}
    assert "close" not in reply.headers.get("connection", "")


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "in parts"])
def test_a_body_over_the_limit_is_refused_in_the_envelope(server: Server, announced: bool) -> None:
    reply = httpx.post(f"{server.url}/count", content=b"x" * (MOST + 1) if announced else parts(MOST + 1))
    assert (reply.status_code, reply.headers["connection"]) == (413, "close")
    error = reply.json()["error"]
    assert (error["type"], error["message"]) == ("BadRequestError", "the body has more than 1,000 bytes")
    assert error["details"] == {"request_id": reply.headers["x-request-id"]}
    line = line_of(server.log, reply.headers["x-request-id"])
    assert (line["status"], line["bytes_in"] <= MOST + 100) == (413, True)


def test_a_body_that_says_itself_too_large_is_not_waited_for(server: Server) -> None:
    """Nothing of it is ever sent: the reply must come without it, and the connection end."""
    said = exchange(server, f"POST /count HTTP/1.1\r\nhost: x\r\ncontent-length: {10**12}\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 413 ")
    assert b'"success":false' in said


def test_a_body_without_an_end_is_cut_off(server: Server) -> None:
    part = f"{MOST:x}\r\n{'x' * MOST}\r\n"
    said = exchange(server, f"POST /count HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n{part}{part}")
    assert said.startswith(b"HTTP/1.1 413 ")


def test_a_body_that_nobody_reads_is_no_error(server: Server) -> None:
    reply = httpx.post(f"{server.url}/early", content=parts(MOST + 1))
    assert (reply.status_code, reply.json()) == (200, {"read": False})


def exchange(server: Server, sent: str) -> bytes:
    """All that the server answers until it closes the connection."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(sent.encode())
        said = b""
        while more := connection.recv(65536):
            said += more
        return said
