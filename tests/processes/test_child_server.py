"""Servers of ours on the loopback address."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import httpx
import pytest

from mixpeek_dagster.errors import ServingError
from mixpeek_dagster.processes.child_server import ChildServer
from tests.waiting import wait_until

SERVER = """
import signal, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

# What runs in the background of a shell ignores it.
signal.signal(signal.SIGINT, signal.default_int_handler)

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()
        self.wfile.write(__import__("os").environ.get("WORD", "").encode())

HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


class Small(ChildServer):
    code = SERVER

    def command(self) -> list[str]:
        return [sys.executable, "-c", self.code, str(self.port)]


class Failing(Small):
    code = "raise SystemExit('no licence')"


class Picky(Small):
    def ready(self) -> None:
        raise ServingError("the small server", why="its code does not load")


def make(kind: type[Small], tmp_path: Path, port: int = 0) -> Small:
    return kind("the small server", port, tmp_path / "logs" / "small.log", {"WORD": "hello"})


def test_it_answers_inside_of_the_block_and_is_gone_after_it(tmp_path: Path) -> None:
    with make(Small, tmp_path) as server:
        assert httpx.get(f"{server.url}/health").text == "hello"
        assert server.alive
    assert not server.alive
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url)


def test_a_taken_port_is_left_alone(tmp_path: Path) -> None:
    with make(Small, tmp_path) as first, make(Small, tmp_path, first.port) as second:
        assert first.port != second.port


def test_one_that_was_killed_starts_again_on_its_port(tmp_path: Path) -> None:
    with make(Small, tmp_path) as server:
        url, pid = server.url, server.pid
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not server.alive)
        server.start()
        assert (server.url, server.pid != pid) == (url, True)
        assert httpx.get(f"{url}/health").is_success


def test_one_that_stops_at_once_tells_its_last_words_and_its_log(tmp_path: Path) -> None:
    server = make(Failing, tmp_path)
    with pytest.raises(ServingError, match=r"the small server: it stopped: no licence\. Read .*small\.log"):
        server.start()


def test_one_that_answers_and_is_not_well_is_stopped(tmp_path: Path) -> None:
    server = make(Picky, tmp_path)
    with pytest.raises(ServingError, match="its code does not load"):
        server.start()
    assert not server.alive
