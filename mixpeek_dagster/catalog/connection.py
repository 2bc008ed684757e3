"""The connection to MongoDB, and its errors in our words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from pymongo import MongoClient
from pymongo.errors import ConfigurationError, ConnectionFailure, InvalidURI, OperationFailure, PyMongoError

from mixpeek_dagster.errors import MixpeekError, SettingsError, StoreError, StoreUnavailable
from mixpeek_dagster.settings import Settings

Document = dict[str, Any]
_SELECTION_TIMEOUT_MS = 15_000
_TIMEOUT = "serverselectiontimeoutms="


def connect(url: str, timeout_ms: int | None = None) -> MongoClient[Document]:
    """A client for a mongodb:// URL; connects when first used.

    Args:
        url: its options hold.
        timeout_ms: how long to look for a server; none = the URL's `serverSelectionTimeoutMS`, else 15 seconds.

    Raises:
        SettingsError: it is no MongoDB URL.
    """
    options: dict[str, Any] = {"tz_aware": True, "appname": "mixpeek-dagster"}
    if timeout_ms is not None or _TIMEOUT not in urlsplit(url).query.lower():
        options["serverSelectionTimeoutMS"] = timeout_ms or _SELECTION_TIMEOUT_MS
    try:
        return MongoClient(url, **options)
    except (InvalidURI, ConfigurationError) as error:
        raise SettingsError("MIXPEEK_MONGODB_URL", why=str(error)) from None


def ping(settings: Settings) -> str:
    """Server and version behind `mongodb_url`.

    Raises:
        StoreUnavailable: it does not answer.
    """
    url = settings.mongodb_url or ""
    with mongodb_errors(url), connect(url, timeout_ms=3000) as client:
        return f"{place(url)}, version {client.server_info()['version']}"


def place(url: str) -> str:
    """A URL without its credentials."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


@contextmanager
def mongodb_errors(url: str) -> Iterator[None]:
    """Turn the driver's errors into ours.

    Raises:
        StoreUnavailable: the server does not answer.
        StoreError: it refused the call.
    """
    try:
        yield
    except MixpeekError:
        raise
    except ConnectionFailure as error:
        first = str(error).split(",")[0][:200]
        raise StoreUnavailable(
            f"MongoDB at {place(url)}", why=f"it does not answer: {first}", fix="Start it, or unset MIXPEEK_MONGODB_URL"
        ) from None
    except OperationFailure as error:
        raise StoreError(f"MongoDB at {place(url)}", why=str(error.details and error.details.get("errmsg"))) from None
    except PyMongoError as error:
        raise StoreError(f"MongoDB at {place(url)}", why=f"{type(error).__name__}: {error}") from None
