"""A small server with all that surrounds the requests of ours: `python -m tests.http.app --port PORT`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from mixpeek_dagster import errors
from mixpeek_dagster.http.access_log import AccessLog, log_request
from mixpeek_dagster.http.body_limit import BodyLimit
from mixpeek_dagster.http.envelope import Failure
from mixpeek_dagster.http.error_replies import ErrorReplies
from mixpeek_dagster.http.logs import log_to_stderr
from mixpeek_dagster.http.request_id import RequestIds
from mixpeek_dagster.processes.child_server import ChildServer

MOST = 1000
SECRET = "sk_octarine"


async def count(request: Request) -> Response:
    return JSONResponse({"bytes": len(await request.body())})


async def answer_early(request: Request) -> Response:
    return JSONResponse({"read": False})


async def refuse(request: Request) -> Response:
    """The error that the path names, as an envelope."""
    kind = getattr(errors, request.path_params["kind"])
    more: dict[str, Any] = (
        {"validation_errors": [{"line": 3}]} if kind is errors.PluginRejected else {"where": "a.py:3"}
    )
    return Failure.of(kind("plugin 'a'", why="it left", fix="Push it", **more)).response()


async def later(request: Request) -> Response:
    return Failure(429, "too much waits", retry_after=7).response()


async def foreign(request: Request) -> Response:
    return PlainTextResponse(request.query_params["text"], int(request.query_params["status"]))


async def fail(request: Request) -> Response:
    raise RuntimeError(SECRET)


async def report(request: Request) -> Response:
    return JSONResponse({"well": False}, 503)


class Server(ChildServer):
    """The server as a process of its own."""

    health = "/well"

    def __init__(self, folder: Path) -> None:
        super().__init__("the test's server", 0, folder / "server.log", {})

    def command(self) -> list[str]:
        """The program and its arguments."""
        return [sys.executable, "-m", "tests.http.app", "--port", str(self.port)]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    log_to_stderr()
    routes = [
        Route("/well", count),
        Route("/count", count, methods=["POST"]),
        Route("/early", answer_early, methods=["POST"]),
        Route("/errors/{kind}", refuse),
        Route("/later", later),
        Route("/foreign", foreign),
        Route("/fail", fail),
        Route("/report", report),
    ]
    around = [
        Middleware(RequestIds),
        Middleware(AccessLog, tell=log_request),
        Middleware(ErrorReplies, untouched=("/report",)),
        Middleware(BodyLimit, limit=lambda scope: MOST),
    ]
    app = Starlette(routes=routes, middleware=around)
    uvicorn.run(app, port=parser.parse_args().port, log_level="critical", access_log=False)


if __name__ == "__main__":
    main()
