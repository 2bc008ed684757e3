"""Assets from the web: only from public addresses, so that no row makes a worker ask its own network for secrets."""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpcore

from mixpeek_dagster.errors import InvalidRequest, NotFound, StoreUnavailable
from mixpeek_dagster.settings import Settings

_TIMEOUT = 60.0
_MOST_HOPS = 5
_FAILURES = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.TimeoutException,
    httpcore.UnsupportedProtocol,
)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


def fetch_web(url: str, path: Path, *, most: int | None = None, seconds: float | None = None) -> None:
    """Write what an http(s) URL gives to a file.

    Args:
        url: where it is.
        path: the file.
        most: bytes that it may have; None takes the setting `max_asset_bytes`.
        seconds: how long it may take in all; None sets no limit but one on each wait.

    Raises:
        InvalidRequest: it leads to an address that is not public, or gives more than is allowed.
        NotFound: there is nothing at this URL.
        StoreUnavailable: it cannot be fetched now, or not in time.
    """
    settings = Settings.load()
    backend = None if settings.private_assets else _PublicOnly()
    limits = _Limits(most or settings.max_asset_bytes, None if seconds is None else time.monotonic() + seconds)
    with httpcore.ConnectionPool(network_backend=backend) as pool:
        for _ in range(_MOST_HOPS):
            following = _get(pool, url, path, limits)
            if following is None:
                return
            url = urljoin(url, following)
            if urlsplit(url).scheme not in ("http", "https"):
                raise InvalidRequest(f"asset {url!r}", why="a redirect leads to something that is no http(s) URL")
    raise StoreUnavailable(f"asset {url!r}", why=f"more than {_MOST_HOPS} redirects")


@dataclass(frozen=True)
class _Limits:
    most: int
    deadline: float | None

    def left(self, url: str) -> float:
        """Seconds that the next wait may take."""
        if self.deadline is None:
            return _TIMEOUT
        if (left := self.deadline - time.monotonic()) <= 0:
            raise StoreUnavailable(f"asset {url!r}", why="it took too long to come")
        return min(left, _TIMEOUT)


def _get(pool: httpcore.ConnectionPool, url: str, path: Path, limits: _Limits) -> str | None:
    """Fetch one hop; gives where a redirect leads."""
    timeouts = dict.fromkeys(("connect", "read", "write", "pool"), limits.left(url))
    try:
        with pool.stream("GET", url, extensions={"timeout": timeouts}) as reply:
            if reply.status in _REDIRECTS:
                return next((v.decode("latin-1") for k, v in reply.headers if k.lower() == b"location"), "")
            if reply.status == 404:
                raise NotFound(f"asset {url!r}")
            if reply.status >= 300:
                raise StoreUnavailable(f"asset {url!r}", why=f"it answered {reply.status}")
            _write(reply.iter_stream(), url, path, limits)
    except (
        httpcore.NetworkError,
        httpcore.ProtocolError,
        httpcore.TimeoutException,
        httpcore.UnsupportedProtocol,
    ) as e:
        raise StoreUnavailable(f"asset {url!r}", why=str(e) or type(e).__name__) from None
    return None


def _write(parts: Iterable[bytes], url: str, path: Path, limits: _Limits) -> None:
    size, most = 0, limits.most
    with path.open("wb") as file:
        for part in parts:
            size += len(part)
            if size > most:
                fix = "Raise MIXPEEK_MAX_ASSET_BYTES if that is meant"
                raise InvalidRequest(f"asset {url!r}", why=f"it has more than {most:,} bytes", fix=fix)
            limits.left(url)
            file.write(part)


class _PublicOnly(httpcore.SyncBackend):
    """Connects to the very address that was looked at, so that a name cannot mean another one a moment later."""

    def connect_tcp(self, host: str, port: int, *args: Any, **options: Any) -> httpcore.NetworkStream:
        """Connect, if all that the host's name stands for is public.

        Raises:
            InvalidRequest: an address is private, of this machine or of a cloud's metadata.
        """
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpcore.ConnectError(f"{host}: {error}") from None
        addresses = [str(item[4][0]).partition("%")[0] for item in found]
        inner = [address for address in addresses if not ipaddress.ip_address(address).is_global]
        if inner:
            fix = "Put the file into S3, or set MIXPEEK_PRIVATE_ASSETS=true if all who make rows are trusted"
            raise InvalidRequest(f"asset host {host!r}", why=f"{inner[0]} is not a public address", fix=fix)
        return super().connect_tcp(addresses[0], port, *args, **options)
