"""An HTTP client for `huggingface_hub` that answers requests for the store's models itself.

Imported only where models are loaded: it needs `huggingface_hub`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from huggingface_hub import constants
from huggingface_hub.errors import OfflineModeIsEnabled
from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # exported for libraries, lazily

from mixpeek_dagster.models.cache import own_revision, snapshot_files
from mixpeek_dagster.models.hub import HUB_OFF, hub_is_off
from mixpeek_dagster.models.store import find_in_store, not_found

_API = re.compile(r"/api/models/(?P<model>[^/]+/[^/]+)(/(?P<verb>revision|tree)/(?P<revision>[^/]+)(/(?P<path>.*))?)?")
_FILE = re.compile(r"/(?P<model>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)")
_PIECE = 4 * 2**20


def make_client() -> httpx.Client:
    """The client that all of huggingface_hub's requests of this process go through."""
    return httpx.Client(transport=StoreFirst(), follow_redirects=True, timeout=None)


class StoreFirst(httpx.BaseTransport):
    """Answers for models of the store; what it has not goes to the network, if that may be asked."""

    def __init__(self) -> None:
        # A client and no transport: it knows the proxies of the environment.
        self._network = httpx.Client(follow_redirects=False, timeout=None)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The store's answer, else the hub's.

        Raises:
            OfflineModeIsEnabled: the store has not got it, and the hub may not be asked.
            MixpeekError: the store has it, but not whole.
        """
        endpoint = urlsplit(constants.ENDPOINT)
        if request.url.host == endpoint.hostname:
            path = unquote(request.url.path).removeprefix(endpoint.path.rstrip("/"))
            asked = _API.fullmatch(path) or _FILE.fullmatch(path)
            if asked and (reply := _from_store(request, asked.groupdict())) is not None:
                return reply
            if asked and hub_is_off():
                # Libraries hide this one behind their own; what came of the model is read off its cause.
                raise OfflineModeIsEnabled(f"{request.url}: {HUB_OFF}") from not_found(asked["model"], HUB_OFF)
        if hub_is_off():
            raise OfflineModeIsEnabled(f"{request.url}: {HUB_OFF}")
        return self._network.send(request, stream=True)

    def close(self) -> None:
        self._network.close()


class _Content(httpx.SyncByteStream):
    """A file from a byte on, in pieces."""

    def __init__(self, path: Path, start: int) -> None:
        self._path = path
        self._start = start

    def __iter__(self) -> Iterator[bytes]:
        with self._path.open("rb") as file:
            file.seek(self._start)
            while piece := file.read(_PIECE):
                yield piece


def _from_store(request: httpx.Request, parts: dict[str, str]) -> httpx.Response | None:
    snapshot = find_in_store(parts["model"])
    # Other revisions of the same id are the hub's.
    own = parts["revision"] in (None, constants.DEFAULT_REVISION, snapshot.name if snapshot else None)
    if snapshot is None or not own or request.method not in ("GET", "HEAD"):
        return None
    if "verb" not in parts:
        return _file(snapshot, parts["path"], request)
    if parts["verb"] == "tree":
        return _tree(snapshot, parts["path"] or "")
    siblings = [{"rfilename": name} for name in snapshot_files(snapshot)]
    about = {"id": parts["model"], "modelId": parts["model"], "sha": snapshot.name, "siblings": siblings}
    return _json({**about, "private": False, "tags": [], "downloads": 0, "likes": 0})


def _tree(snapshot: Path, below: str) -> httpx.Response:
    prefix = f"{below.strip('/')}/" if below else ""
    entries = [
        {"type": "file", "path": name, "size": path.stat().st_size, "oid": _etag(snapshot, name)}
        for name, path in snapshot_files(snapshot).items()
        if name.startswith(prefix)
    ]
    return _json(entries) if entries or not below else _missing()


def _file(snapshot: Path, name: str, request: httpx.Request) -> httpx.Response:
    path = snapshot_files(snapshot).get(name)
    if path is None:
        return _missing()
    size = path.stat().st_size
    wanted = re.match(r"bytes=(\d+)-", request.headers.get("Range", ""))
    start = int(wanted[1]) if wanted and request.method == "GET" else 0
    headers = {
        "ETag": f'"{_etag(snapshot, name)}"',
        constants.HUGGINGFACE_HEADER_X_REPO_COMMIT: snapshot.name,
        "Content-Length": str(max(size - start, 0)),
        "Accept-Ranges": "bytes",
    }
    if start:
        headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
    content = httpx.ByteStream(b"") if request.method == "HEAD" else _Content(path, start)
    return httpx.Response(206 if start else 200, headers=headers, stream=content)


def _etag(snapshot: Path, name: str) -> str:
    """Names the file's content: the revision changes with any file's."""
    return own_revision((snapshot.name, name))


def _json(value: object) -> httpx.Response:
    return httpx.Response(200, headers={"Content-Type": "application/json"}, content=json.dumps(value).encode())


def _missing() -> httpx.Response:
    return httpx.Response(404, headers={"X-Error-Code": "EntryNotFound"}, content=b"")
