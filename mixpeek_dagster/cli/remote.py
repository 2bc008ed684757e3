"""The REST API as the command uses it: a server's, or the same app in this process when there is no server."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import httpx

from mixpeek_dagster.cli.session import open_session
from mixpeek_dagster.errors import ExtraNotInstalled, InvalidRequest, MixpeekError, NotFound, StoreUnavailable
from mixpeek_dagster.extras import not_installed
from mixpeek_dagster.http.client import answer_of, reaching
from mixpeek_dagster.settings import Settings
from mixpeek_dagster.stores import Stores

_SECONDS = 300.0
_PAGE = 1000
_PUTS = 8
_LARGEST_PUT = 5 * 2**30
# As long as it takes: 5 GiB over a slow line; S3 ends what does not go on.
_NO_LIMIT = httpx.Timeout(None)
_NAME = re.compile(r"[A-Za-z0-9_.-]*[A-Za-z0-9_-]+")

Put = tuple[Path, Mapping[str, Any]]
"""A file, and where it goes: what the API answered for it, with `s3_key` and `presigned_url`."""


class Api(Protocol):
    """Calls the API and raises its errors as our own."""

    namespace: str

    def call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """One call below `/v1`; options are those of an httpx request.

        Raises:
            MixpeekError: what the API answered.
        """
        ...

    def put_files(self, files: Sequence[Put], done: Callable[[], None]) -> None:
        """Put files into S3, some at a time.

        Args:
            done: called after each.

        Raises:
            MixpeekError: S3 does not take one.
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

    def put_files(self, files: Sequence[Put], done: Callable[[], None]) -> None:
        """PUT files to their presigned URLs.

        Raises:
            StoreUnavailable: S3 does not answer.
            InvalidRequest: S3 refuses one, or one is larger than it takes at once.
        """
        for path, _ in files:
            if path.stat().st_size > _LARGEST_PUT:
                why = f"it has {path.stat().st_size:,} bytes, and one PUT takes {_LARGEST_PUT:,} at most"
                fix = "Put it at the bucket's location with an S3 client, and have `mixpeek bucket sync on` take it up"
                raise InvalidRequest(f"file {str(path)!r}", why=why, fix=fix)
        with httpx.Client(timeout=_NO_LIMIT) as client, ThreadPoolExecutor(_PUTS) as pool:
            for _ in pool.map(lambda file: _put(client, file[1]["presigned_url"], file[0]), files):
                done()

    def close(self) -> None:
        self._client.close()


class LocalApi:
    """The app in this process, on the stores that the settings name."""

    def __init__(self, app: Any, stores: Stores, namespace: str) -> None:
        self.namespace = namespace
        self._app = app
        self._stores = stores

    def call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """One call below `/v1`.

        Raises:
            MixpeekError: what the API answered.
        """
        return answer_of(asyncio.run(self._call(method, path, options)), "the request", MixpeekError)

    def put_files(self, files: Sequence[Put], done: Callable[[], None]) -> None:
        """Write files to S3 with the installation's own key, which takes any size."""
        for _ in self._stores.objects.put_many([(place["s3_key"], path) for path, place in files]):
            done()

    async def _call(self, method: str, path: str, options: dict[str, Any]) -> httpx.Response:
        transport = httpx.ASGITransport(self._app, raise_app_exceptions=True)
        headers = {"X-Namespace": self.namespace}
        async with httpx.AsyncClient(transport=transport, base_url="http://local", headers=headers) as client:
            return await client.request(method, f"/v1{path}", **{**options, "timeout": None})


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
    try:
        from mixpeek_dagster.api.app import create_app
        from mixpeek_dagster.api.reload import GraphReload
    except ModuleNotFoundError as error:
        missing = not_installed(error)
        if missing is None:
            raise
        fix = f"{missing.fix}, or set MIXPEEK_API_URL to the API of a server"
        raise ExtraNotInstalled(missing.what, why=missing.why, fix=fix) from None

    with open_session(settings) as session:
        graph = GraphReload(settings)
        organization = session.namespace.organization_id
        app = create_app(session.stores, settings, graph=graph, trusted=organization)
        yield LocalApi(app, session.stores, settings.namespace)
        graph.flush()


def require_local(verb: str, why: str) -> Settings:
    """The settings, for a verb that works on this machine alone.

    Args:
        why: what it does here, as in "it starts servers on this machine".

    Raises:
        InvalidRequest: the command is to talk to an API.
    """
    settings = Settings.load()
    if settings.api_url:
        fix = "Run it on the server, or unset MIXPEEK_API_URL to work on the stores themselves"
        raise InvalidRequest(f"mixpeek {verb}", why=f"{why}, and MIXPEEK_API_URL is set", fix=fix)
    return settings


def named(kind: str, name: str) -> str:
    """A name or id as a part of a path.

    Raises:
        NotFound: nothing can have this name.
    """
    if not _NAME.fullmatch(name):
        raise NotFound(f"{kind} {name!r}", why="no name has such characters")
    return name


def all_results(api: Api, path: str) -> list[dict[str, Any]]:
    """Every result of a list, page by page."""
    found: list[dict[str, Any]] = []
    while True:
        reply = api.call("POST", path, params={"limit": _PAGE, "offset": len(found)})
        found += reply["results"]
        if reply["pagination"]["next_page"] is None:
            return found


def put_archive(url: str, archive: Path) -> None:
    """PUT a zip to a presigned URL.

    Raises:
        StoreUnavailable: S3 does not answer.
        InvalidRequest: S3 refused it.
    """
    with httpx.Client(timeout=_NO_LIMIT) as client:
        _put(client, url, archive)


def _put(client: httpx.Client, url: str, file: Path) -> None:
    try:
        with file.open("rb") as content:
            reply = client.put(url, content=content, headers={"Content-Length": str(file.stat().st_size)})
    except httpx.TransportError as error:
        raise StoreUnavailable("the upload's URL", why=f"it does not answer: {error}") from None
    if not reply.is_success:
        why = f"S3 answered {reply.status_code}: {' '.join(reply.text.split())[:200]}"
        raise InvalidRequest("the upload", why=why, fix="Do it again: a URL is good for one hour")
