"""The app: routes, errors and what surrounds every request."""

from __future__ import annotations

from functools import partial

from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline
from starlette.datastructures import Headers
from starlette.types import Scope

from mixpeek_dagster.api import errors
from mixpeek_dagster.api.access import ApiState, bearer
from mixpeek_dagster.api.middleware import JsonByDefault
from mixpeek_dagster.api.reload import GraphReload
from mixpeek_dagster.api.routes import (
    batches,
    buckets,
    collections,
    documents,
    health,
    inference,
    ingest,
    models,
    namespaces,
    organizations,
    plugins,
    uploads,
)
from mixpeek_dagster.api.schemas.errors import ERROR_REPLIES
from mixpeek_dagster.http.access_log import AccessLog, Exchange, log_request
from mixpeek_dagster.http.body_limit import BodyLimit
from mixpeek_dagster.http.error_replies import ErrorReplies
from mixpeek_dagster.http.request_id import RequestIds
from mixpeek_dagster.settings import Settings
from mixpeek_dagster.stores import Stores
from mixpeek_dagster.version import __version__

PREFIX = "/v1"
_JSON_BYTES = 4 * 2**20
_FORM_BYTES = 2**20
_LIST_BYTES = 32 * 2**20
_DESCRIPTION = """Plugins, buckets and collections of one organization.

Send `Authorization: Bearer sk_...` with every request and, where no namespace stands in the path, `X-Namespace`.
Every error has the same envelope: `{"success": false, "status": 404, "error": {"message", "type", "details"}}`."""


def create_app(
    stores: Stores, settings: Settings, *, graph: GraphReload | None = None, trusted: str | None = None
) -> FastAPI:
    """The API over open stores.

    Args:
        graph: how a running Dagster is told of changes.
        trusted: id of the organization that all requests act for without a key. Never for an app that listens.
    """
    # Its pages are whole without a network.
    app = FastAPIOffline(
        title="mixpeek-dagster",
        version=__version__,
        description=_DESCRIPTION,
        responses=ERROR_REPLIES,
        generate_unique_id_function=_operation_id,
        redirect_slashes=False,
    )
    app.state.api = ApiState(stores, settings, graph or GraphReload(settings), trusted)
    errors.install(app)
    app.include_router(health.router)
    for module in (organizations, namespaces, uploads, plugins, models, buckets, batches, ingest, collections):
        app.include_router(module.router, prefix=PREFIX, dependencies=[Depends(bearer)])
    for router in (documents.router, inference.router, models.store):
        app.include_router(router, prefix=PREFIX, dependencies=[Depends(bearer)])
    # The last is the outermost.
    app.add_middleware(JsonByDefault)
    if trusted is None:
        app.add_middleware(BodyLimit, limit=partial(_most_bytes, settings))
    app.add_middleware(ErrorReplies, untouched=("/health",))
    app.add_middleware(AccessLog, tell=_tell)
    app.add_middleware(RequestIds)
    return app


def _most_bytes(settings: Settings, scope: Scope) -> int:
    if Headers(scope=scope).get("content-type", "").startswith("multipart/form-data"):
        return settings.plugin_packed_bytes + _FORM_BYTES
    if scope["path"] == f"{PREFIX}{inference.router.prefix}":
        return settings.inference_body_bytes
    if scope["path"] == f"{PREFIX}{ingest.router.prefix}":
        return _LIST_BYTES
    return _JSON_BYTES


def _tell(exchange: Exchange) -> None:
    log_request(exchange, organization=exchange.scope["state"].get("organization", ""))


def _operation_id(route: APIRoute) -> str:
    return route.name
