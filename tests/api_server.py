"""A provider's API as a real HTTP server: it counts what it is asked, and answers as a test has planned."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Answer:
    """What the server sends; status 0 closes the connection without an answer."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


class Provider:
    """A server at `url`; `POST /` with a row's text as body."""

    def __init__(self) -> None:
        self.plan: Callable[[str, int], Answer] = lambda row, number: Answer()
        """The answer to the n-th request (from 1) for a row."""
        self.together = 1
        """Requests that must be under way at the same time before the first is answered."""
        self.asked: Counter[str] = Counter()
        self.order: list[str] = []
        self.most_at_a_time = 0
        self.url = ""
        self._under_way = 0
        self._met = threading.Condition()

    def answer(self, row: str) -> Answer:
        """Count a request, wait for as many others as planned, and answer."""
        with self._met:
            self.asked[row] += 1
            self.order.append(row)
            number = self.asked[row]
            self._under_way += 1
            self.most_at_a_time = max(self.most_at_a_time, self._under_way)
            self._met.notify_all()
            met = self._met.wait_for(lambda: self.most_at_a_time >= self.together, timeout=20)
        try:
            return self.plan(row, number) if met else Answer(418)
        finally:
            with self._met:
                self._under_way -= 1


@contextmanager
def serving(provider: Provider) -> Iterator[ThreadingHTTPServer]:
    """The server, until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            row = self.rfile.read(int(self.headers["Content-Length"])).decode()
            answer = provider.answer(row)
            if not answer.status:
                self.close_connection = True
                return
            body = row.upper().encode()
            self.send_response(answer.status)
            for name, value in (answer.headers | {"Content-Length": str(len(body))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """The test's own output is enough."""

    class Server(ThreadingHTTPServer):
        request_queue_size = 128
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        provider.url = f"http://127.0.0.1:{server.server_address[1]}/"
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
