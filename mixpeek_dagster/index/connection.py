"""The connection to Qdrant, and its errors in our words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import httpx
import orjson
from qdrant_client import QdrantClient
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from mixpeek_dagster.errors import MixpeekError, StoreError, StoreUnavailable
from mixpeek_dagster.settings import Settings


def connect(url: str, api_key: str | None, timeout: int) -> QdrantClient:
    """A client; connects when first used."""
    return QdrantClient(url=url, api_key=api_key, timeout=timeout, check_compatibility=False)


def ping(settings: Settings) -> str:
    """Server and version behind `qdrant_url`.

    Raises:
        StoreUnavailable: it does not answer.
    """
    key = settings.qdrant_api_key
    client = connect(settings.qdrant_url or "", key.get_secret_value() if key else None, timeout=3)
    with qdrant_errors():
        info = client.info()
    return f"{settings.qdrant_url}, {info.title} {info.version}"


@contextmanager
def qdrant_errors() -> Iterator[None]:
    """Turn the client's errors into ours.

    Raises:
        StoreUnavailable: Qdrant does not answer.
        StoreError: it refused the call.
    """
    try:
        yield
    except MixpeekError:
        raise
    except UnexpectedResponse as error:
        raise StoreError("Qdrant", why=reason(error)) from None
    except (ResponseHandlingException, httpx.HTTPError, OSError) as error:
        _unavailable(error)


def reason(error: UnexpectedResponse) -> str:
    """Qdrant's own words, with the status."""
    try:
        said = orjson.loads(error.content)["status"]["error"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        said = error.content.decode(errors="replace")[:300] or error.reason_phrase
    return f"{error.status_code}: {said}"


def _unavailable(error: BaseException) -> NoReturn:
    source = getattr(error, "source", error)
    why = f"it does not answer: {source}" if str(source) else f"it does not answer: {type(source).__name__}"
    raise StoreUnavailable("Qdrant", why=why, fix="Start it, then materialize again") from None
