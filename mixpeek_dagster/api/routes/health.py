"""Whether the API and its stores are well."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from mixpeek_dagster.api.access import State
from mixpeek_dagster.catalog.connection import ping as ping_mongodb
from mixpeek_dagster.errors import MixpeekError
from mixpeek_dagster.objects.connection import ping as ping_s3
from mixpeek_dagster.version import __version__

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """How the API and its stores are."""

    status: Literal["ok", "degraded"] = Field(examples=["ok"])
    version: str
    stores: dict[str, Literal["ok", "down"]] = Field(examples=[{"mongodb": "ok", "qdrant": "ok", "s3": "ok"}])


@router.get("/health", summary="Whether the API and its stores are well", responses={401: {"model": None}})
def health(state: State, response: Response) -> Health:
    """503 if a store does not answer. Needs no key and tells nothing that a stranger should not know."""
    # With Qdrant's client, which takes as long to import as all the rest of the API.
    from mixpeek_dagster.index.connection import ping as ping_qdrant

    stores: dict[str, Literal["ok", "down"]] = {}
    for name, ping in (("mongodb", ping_mongodb), ("qdrant", ping_qdrant), ("s3", ping_s3)):
        try:
            ping(state.stores.settings)
            stores[name] = "ok"
        except MixpeekError:
            stores[name] = "down"
    well = all(store == "ok" for store in stores.values())
    if not well:
        response.status_code = 503
    return Health(status="ok" if well else "degraded", version=__version__, stores=stores)
