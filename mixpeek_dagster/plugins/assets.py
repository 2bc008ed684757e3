"""Files behind the `data` column, for plugins: URLs become local paths."""

from __future__ import annotations

import atexit
import base64
import binascii
import tempfile
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mixpeek_dagster.errors import InvalidRequest, NotFound, StoreUnavailable
from mixpeek_dagster.plugins.asset_cache import AssetCache, Fetch
from mixpeek_dagster.s3_url import is_s3

_fetch_s3: list[Fetch] = []
_caches: list[AssetCache] = []


def set_s3_fetch(fetch: Fetch) -> None:
    """Say how `s3://` URLs are fetched in this process: `fetch(url, path)` writes the object to the path."""
    _fetch_s3[:] = [fetch]


def keep_assets(folder: Path, most_bytes: int) -> AssetCache:
    """Keep the files that this process fetches from now on, so that the steps of a run share them.

    Args:
        folder: names the run; for another one the files of the one before are deleted.
        most_bytes: of all files together.
    """
    if not _caches or _caches[0].folder != folder:
        drop_assets()
        _caches.append(AssetCache(folder, most_bytes, _fetch_far))
    return _caches[0]


@atexit.register
def drop_assets() -> None:
    """Delete the files that are kept."""
    while _caches:
        _caches.pop().close()


def download_asset(url: str, suffix: str = "") -> tuple[str, bool]:
    """A local path with the content of `url`, and whether it is a temporary file that the caller must delete.

    Args:
        url: s3://, http(s)://, file://, data: or a local path.
        suffix: ending of the temporary file, such as `.jpg`.

    Raises:
        NotFound: there is nothing at this URL.
        StoreUnavailable: it cannot be fetched now.
        InvalidRequest: it is no URL and no path.
    """
    if not isinstance(url, str) or not url:
        raise InvalidRequest(f"asset {url!r}", why="it is not a URL or a path")
    scheme = urllib.parse.urlsplit(url).scheme if ":" in url[:10] else ""
    if scheme in ("", "file"):
        return _local(urllib.parse.unquote(url.removeprefix("file://")) if scheme else url), False
    with tempfile.NamedTemporaryFile(prefix="mixpeek-", suffix=suffix, delete=False) as file:
        path = Path(file.name)
    try:
        _fetch(scheme, url, path)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return str(path), True


@contextmanager
def open_asset(url: str, suffix: str = "") -> Iterator[str]:
    """A local path with the content of `url`; a temporary file is deleted at the end of the block.

    Raises:
        MixpeekError: as `download_asset`.
    """
    path, temporary = download_asset(url, suffix)
    try:
        yield path
    finally:
        if temporary:
            Path(path).unlink(missing_ok=True)


def resolve_url_to_local_path(url: str, suffix: str = "") -> tuple[str, bool]:
    """The older name of `download_asset`."""
    return download_asset(url, suffix)


def _local(path: str) -> str:
    if not Path(path).is_file():
        raise NotFound(f"file {path!r}")
    return path


def _fetch(scheme: str, url: str, path: Path) -> None:
    if scheme in ("s3", "http", "https"):
        (_caches[0].place if _caches else _fetch_far)(url, path)
    elif scheme == "data":
        path.write_bytes(_decode_data(url))
    else:
        raise InvalidRequest(
            f"asset {url!r}", why=f"{scheme}:// is not supported", fix="Use s3://, http(s):// or a path"
        )


def _fetch_far(url: str, path: Path) -> None:
    if not is_s3(url):
        from mixpeek_dagster.plugins.web import fetch_web

        fetch_web(url, path)
    elif _fetch_s3:
        _fetch_s3[0](url, path)
    else:
        raise StoreUnavailable(f"asset {url!r}", why="no object store is open in this process")


def _decode_data(url: str) -> bytes:
    head, comma, body = url.partition(",")
    try:
        if not comma:
            raise ValueError("it has no comma")
        if head.endswith(";base64"):
            return base64.b64decode(body, validate=True)
        return urllib.parse.unquote_to_bytes(body)
    except (ValueError, binascii.Error) as error:
        raise InvalidRequest("a data: URI", why=str(error)) from None
