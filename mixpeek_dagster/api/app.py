"""The app: routes, errors and what surrounds every request."""

from __future__ import annotations

from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline

from mixpeek_dagster.api import errors
from mixpeek_dagster.api.access import ApiState, bearer
from mixpeek_dagster.api.middleware import BodyLimit, JsonByDefault, RequestLog
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
        responses=errors.ERROR_REPLIES,
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
    app.add_middleware(JsonByDefault)
    if trusted is None:
        app.add_middleware(
            BodyLimit,
            json_bytes=_JSON_BYTES,
            file_bytes=settings.plugin_packed_bytes + _FORM_BYTES,
            paths={
                f"{PREFIX}{inference.router.prefix}": settings.inference_body_bytes,
                f"{PREFIX}{ingest.router.prefix}": _LIST_BYTES,
            },
        )
    app.add_middleware(RequestLog)
    return app


def _operation_id(route: APIRoute) -> str:
    return route.name
