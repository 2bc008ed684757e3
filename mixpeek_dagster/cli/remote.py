"""The REST API as the command uses it: a server's, or the same app in this process when there is no server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import httpx

from mixpeek_dagster.cli.session import open_session
from mixpeek_dagster.errors import InvalidRequest, MixpeekError, StoreUnavailable
from mixpeek_dagster.http.client import answer_of, reaching
from mixpeek_dagster.settings import Settings

_SECONDS = 300.0


class Api(Protocol):
    """Calls the API and raises its errors as our own."""

    namespace: str

    def call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """One call below `/v1`; options are those of an httpx request.

        Raises:
            MixpeekError: what the API answered.
        """
        ...


class RemoteApi:
    """A server's API."""

    def __init__(self, settings: Settings) -> None:
        key = settings.api_key.get_secret_value() if settings.api_key else ""
        if not key:
            raise InvalidRequest("MIXPEEK_API_KEY", why="MIXPEEK_API_URL is set and this is not", fix="Set it")
        self.namespace = settings.namespace
        self._url = str(settings.api_url).rstrip("/")
        headers = {"Authorization": f"Bearer {key}", "X-Namespace": self.namespace}
        self._client = httpx.Client(base_url=self._url, headers=headers, timeout=_SECONDS)

    def call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """One call below `/v1`.

        Raises:
            StoreUnavailable: the server does not answer.
            MixpeekError: what the API answered.
        """
        with reaching(f"the API at {self._url}", _SECONDS, fix="Check MIXPEEK_API_URL", kind=StoreUnavailable):
            reply = self._client.request(method, f"/v1{path}", **options)
        return answer_of(reply, f"the API at {self._url}", MixpeekError)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


class LocalApi:
    """The app in this process, on the stores that the settings name."""

    def __init__(self, app: Any, namespace: str) -> None:
        self.namespace = namespace
        self._app = app

    def call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """One call below `/v1`.

        Raises:
            MixpeekError: what the API answered.
        """
        return answer_of(asyncio.run(self._call(method, path, options)), "the request", MixpeekError)

    async def _call(self, method: str, path: str, options: dict[str, Any]) -> httpx.Response:
        transport = httpx.ASGITransport(self._app, raise_app_exceptions=True)
        headers = {"X-Namespace": self.namespace}
        async with httpx.AsyncClient(transport=transport, base_url="http://local", headers=headers) as client:
            return await client.request(method, f"/v1{path}", timeout=None, **options)


@contextmanager
def open_api(settings: Settings | None = None) -> Iterator[Api]:
    """The API that the settings name; without one, the same code on the stores themselves."""
    settings = settings or Settings.load()
    if settings.api_url:
        remote = RemoteApi(settings)
        try:
            yield remote
        finally:
            remote.close()
        return
    from mixpeek_dagster.api.app import create_app
    from mixpeek_dagster.api.reload import GraphReload

    with open_session(settings) as session:
        graph = GraphReload(settings)
        organization = session.namespace.organization_id
        yield LocalApi(create_app(session.stores, settings, graph=graph, trusted=organization), settings.namespace)
        graph.flush()


def put_archive(url: str, archive: Path) -> None:
    """PUT a zip to a presigned URL.

    Raises:
        StoreUnavailable: S3 does not answer.
        InvalidRequest: S3 refused it.
    """
    try:
        with archive.open("rb") as content:
            reply = httpx.put(
                url, content=content, headers={"Content-Length": str(archive.stat().st_size)}, timeout=None
            )
    except httpx.TransportError as error:
        raise StoreUnavailable("the upload's URL", why=f"it does not answer: {error}") from None
    if not reply.is_success:
        why = f"S3 answered {reply.status_code}: {' '.join(reply.text.split())[:200]}"
        raise InvalidRequest("the upload", why=why, fix="Push again: a URL is good for one hour")
