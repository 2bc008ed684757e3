"""The HTTP side: which call answers which path, and the envelope around every answer."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from mixpeek_dagster.qdrant_server import collection_calls as collections
from mixpeek_dagster.qdrant_server import point_calls as points
from mixpeek_dagster.qdrant_server.body import parse
from mixpeek_dagster.qdrant_server.errors import ApiError, NotOffered
from mixpeek_dagster.qdrant_server.registry import Registry

API_VERSION = "1.20.0"
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_log = logging.getLogger(__name__)

Endpoint = Callable[[Request], Any]
_C = "/collections/{name}"
CALLS: list[tuple[str, str, points.Handler]] = [
    ("GET", "/collections", collections.list_collections),
    ("GET", _C, collections.get_collection),
    ("PUT", _C, collections.create_collection),
    ("PATCH", _C, collections.update_collection),
    ("DELETE", _C, collections.delete_collection),
    ("GET", f"{_C}/exists", collections.collection_exists),
    ("PUT", f"{_C}/vectors/{{vector:path}}", collections.create_vector),
    ("DELETE", f"{_C}/vectors/{{vector:path}}", collections.delete_vector),
    ("PUT", f"{_C}/index", collections.create_index),
    ("DELETE", f"{_C}/index/{{field:path}}", collections.delete_index),
    ("PUT", f"{_C}/points", points.update("upsert")),
    ("POST", f"{_C}/points", points.retrieve),
    ("POST", f"{_C}/points/batch", points.update_batch),
    ("POST", f"{_C}/points/delete", points.update("delete")),
    ("PUT", f"{_C}/points/vectors", points.update("update_vectors")),
    ("POST", f"{_C}/points/vectors/delete", points.update("delete_vectors")),
    ("POST", f"{_C}/points/payload", points.update("set_payload")),
    ("PUT", f"{_C}/points/payload", points.update("overwrite_payload")),
    ("POST", f"{_C}/points/payload/delete", points.update("delete_payload")),
    ("POST", f"{_C}/points/payload/clear", points.update("clear_payload")),
    ("POST", f"{_C}/points/scroll", points.scroll),
    ("POST", f"{_C}/points/count", points.count),
    ("POST", f"{_C}/points/query", points.query),
    ("POST", f"{_C}/points/query/batch", points.query_batch),
    ("GET", f"{_C}/points/{{id}}", points.get_point),
    ("POST", f"{_C}/facet", points.facet),
]


def build_app(registry: Registry) -> Starlette:
    """The ASGI application over one registry of collections."""
    service = [
        Route("/", _version),
        Route("/readyz", _text("all shards are ready")),
        Route("/healthz", _text("healthz check passed")),
        Route("/livez", _text("healthz check passed")),
    ]
    calls = [Route(path, _endpoint(handler, registry), methods=[method]) for method, path, handler in CALLS]
    return Starlette(routes=[*service, *calls, Route("/{rest:path}", _not_offered, methods=_METHODS)])


def _endpoint(handler: points.Handler, registry: Registry) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        raw = await request.body()
        return await run_in_threadpool(_answer, handler, registry, request, raw)

    return endpoint


def _answer(handler: points.Handler, registry: Registry, request: Request, raw: bytes) -> Response:
    started = time.perf_counter()
    try:
        result = handler(registry, collections.ApiCall(request.path_params, parse(raw)))
    except ApiError as error:
        return _refusal(error.status, str(error), started)
    except Exception:
        _log.exception("%s %s failed", request.method, request.url.path)
        return _refusal(500, "Service internal error: see the log of the embedded Qdrant server", started)
    return _reply(200, {"result": result, "status": "ok", "time": time.perf_counter() - started})


def _refusal(status: int, message: str, started: float) -> Response:
    return _reply(status, {"result": None, "status": {"error": message}, "time": time.perf_counter() - started})


def _reply(status: int, content: dict[str, Any]) -> Response:
    return Response(orjson.dumps(content, option=orjson.OPT_NON_STR_KEYS), status, media_type="application/json")


async def _version(_request: Request) -> Response:
    return _reply(200, {"title": "qdrant-edge behind mixpeek-dagster", "version": API_VERSION, "pid": os.getpid()})


async def _not_offered(request: Request) -> Response:
    return _refusal(501, str(NotOffered(f"{request.method} {request.url.path}")), time.perf_counter())


def _text(text: str) -> Endpoint:
    async def endpoint(_request: Request) -> Response:
        return PlainTextResponse(text)

    return endpoint
