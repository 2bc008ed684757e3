"""Assets from the web: public addresses only, redirects and sizes watched."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from mixpeek_dagster.errors import InvalidRequest, NotFound, StoreUnavailable
from mixpeek_dagster.plugins.assets import open_asset
from mixpeek_dagster.plugins.web import fetch_web


class Handler(BaseHTTPRequestHandler):
    """A few paths, each of which answers in its own way."""

    def do_GET(self) -> None:
        """Answer."""
        if self.path == "/slow":
            self.send_response(200)
            self.end_headers()
            # It ends when the client has had enough.
            with suppress(OSError):
                while True:
                    self.wfile.write(b"content")
            return
        redirects = {"/around": "/around", "/moved": "/file", "/to-file": "file:///etc/hostname"}
        if self.path in redirects:
            self.send_response(302)
            self.send_header("Location", redirects[self.path])
            self.end_headers()
            return
        self.send_response({"/file": 200, "/broken": 500}.get(self.path, 404))
        self.end_headers()
        self.wfile.write(b"content")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def trusting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIXPEEK_PRIVATE_ASSETS", "true")


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "169.254.169.254", "10.0.0.1", "192.168.1.1", "[::1]", "0.0.0.0", "2130706433"],
)
def test_addresses_that_are_not_public_are_refused(host: str) -> None:
    with pytest.raises(InvalidRequest, match="not a public address"), open_asset(f"http://{host}/x"):
        pass


def test_a_file_is_fetched_and_deleted_afterwards(url: str, trusting: None) -> None:
    with open_asset(f"{url}/moved", suffix=".txt") as path:
        assert Path(path).read_bytes() == b"content"
        assert path.endswith(".txt")
    assert not Path(path).exists()


@pytest.mark.parametrize(
    ("path", "error", "said"),
    [
        ("/nothing", NotFound, "nothing"),
        ("/broken", StoreUnavailable, "500"),
        ("/around", StoreUnavailable, "5 redirects"),
        ("/to-file", InvalidRequest, "no http"),
    ],
)
def test_what_goes_wrong_is_said(url: str, trusting: None, path: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said), open_asset(f"{url}{path}"):
        pass


def test_more_than_allowed_is_refused_while_it_comes(url: str, trusting: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIXPEEK_MAX_ASSET_BYTES", "3")
    with pytest.raises(InvalidRequest, match="more than 3 bytes"), open_asset(f"{url}/file"):
        pass


def test_a_file_that_takes_too_long_is_given_up(url: str, trusting: None, tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="it took too long to come"):
        fetch_web(f"{url}/slow", tmp_path / "file", most=2**40, seconds=0.1)


def test_a_file_may_have_fewer_bytes_than_the_setting_says(url: str, trusting: None, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="more than 4 bytes"):
        fetch_web(f"{url}/file", tmp_path / "file", most=4)


def test_a_server_that_is_not_there_is_no_fault_of_the_row(trusting: None) -> None:
    with pytest.raises(StoreUnavailable), open_asset("http://127.0.0.1:9/x"):
        pass
