"""Images and sound that a request brings along or names, as files that exist as long as they are read."""

from __future__ import annotations

import base64
import binascii
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mixpeek_dagster.errors import InvalidRequest
from mixpeek_dagster.plugins.web import fetch_web

_TAKEN = "an http(s) URL, a data: URL with base64, or base64"


@contextmanager
def local_file(source: str, most: int, seconds: float) -> Iterator[str]:
    """A path with the content of `source`, until the end of the block.

    Args:
        source: an http(s) URL of a public address, a data: URL, or base64. Never a path of this machine.
        most: bytes that it may have.
        seconds: how long it may take to fetch.

    Raises:
        MixpeekError: it is none of these, or cannot be fetched.
    """
    with tempfile.NamedTemporaryFile(prefix="mixpeek-") as file:
        if source.startswith(("http://", "https://")):
            fetch_web(source, Path(file.name), most=most, seconds=seconds)
        else:
            Path(file.name).write_bytes(_decoded(source))
        yield file.name


def _decoded(source: str) -> bytes:
    if "://" in source[:16]:
        raise InvalidRequest("the URL", why=f"it begins with {source.partition('://')[0]}://", fix=f"Use {_TAKEN}")
    if source.startswith("data:"):
        head, _, source = source.partition(",")
        if not head.endswith(";base64"):
            raise InvalidRequest("the data: URL", why="it is not in base64", fix=f"Use {_TAKEN}")
    try:
        return base64.b64decode(source, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidRequest("the value", why=f"it is not {_TAKEN}") from None
