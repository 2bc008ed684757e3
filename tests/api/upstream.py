"""A gateway as a real HTTP server: it keeps what it was asked, and answers as a test has planned."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Asked:
    """One request."""

    path: str
    headers: Message
    body: Any


@dataclass
class Upstream:
    """A server at `url`; what it answers is the same for every request."""

    url: str = ""
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    hold: Callable[[], object] | None = None
    """Called before each answer, by the request's own thread."""

    def plan(self, body: Any, status: int = 200, **headers: str) -> None:
        """What to answer from now on; a body that is not bytes is sent as JSON."""
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.status, self.headers = status, {name.replace("_", "-"): value for name, value in headers.items()}
        self.asked.clear()


@contextmanager
def serving(upstream: Upstream) -> Iterator[Upstream]:
    """The server, until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            upstream.asked.append(Asked(self.path, self.headers, body))
            if upstream.hold is not None:
                upstream.hold()
            self.send_response(upstream.status)
            for name, value in (upstream.headers | {"Content-Length": str(len(upstream.body))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(upstream.body)

        def log_message(self, format: str, *args: object) -> None:
            """The test's own output is enough."""

    class Server(ThreadingHTTPServer):
        request_queue_size = 128
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        upstream.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield upstream
        finally:
            server.shutdown()
            thread.join()
