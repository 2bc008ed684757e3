"""Objects in S3 by key, or by `s3://` URL."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TypeVar

import obstore
from obstore.store import S3Store

from mixpeek_dagster.errors import MixpeekError
from mixpeek_dagster.storage.connection import S3Access, ensure_bucket, s3_errors

T = TypeVar("T")
R = TypeVar("R")
_CONCURRENCY = 32


class ObjectStore:
    """The objects of one S3 bucket; URLs of other buckets are read with the same access."""

    def __init__(self, access: S3Access, bucket: str) -> None:
        self._access = access
        self.bucket = bucket
        self._stores: dict[str, S3Store] = {}
        ensure_bucket(access, bucket)

    def url(self, key: str) -> str:
        """The `s3://` URL of a key."""
        return f"s3://{self.bucket}/{key}"

    def put(self, key: str, content: bytes | Path) -> str:
        """Write an object and return its etag."""
        with s3_errors(self._access, key):
            result = obstore.put(self._store(), key, content)
        return (result["e_tag"] or "").strip('"')

    def get(self, key: str) -> bytes:
        """An object's content.

        Raises:
            NotFound: there is no such object.
        """
        with s3_errors(self._access, key):
            return bytes(obstore.get(self._store(), key).bytes())

    def put_many(self, items: Iterable[tuple[str, Path]]) -> Iterator[tuple[str, str]]:
        """Write files concurrently; gives key and etag of each, in order."""

        async def put(item: tuple[str, Path]) -> tuple[str, str]:
            result = await obstore.put_async(self._store(), item[0], item[1])
            return item[0], (result["e_tag"] or "").strip('"')

        yield from self._each(items, put)

    def get_many(self, urls: Iterable[str]) -> Iterator[bytes | MixpeekError]:
        """Contents of `s3://` URLs, concurrently and in order; an error in the place of what cannot be read."""

        async def get(url: str) -> bytes | MixpeekError:
            bucket, key = split_url(url)
            try:
                with s3_errors(self._access, url):
                    reply = await obstore.get_async(self._store(bucket), key)
                    return bytes(await reply.bytes_async())
            except MixpeekError as error:
                return error

        yield from self._each(urls, get)

    def fetch(self, url: str, path: Path) -> None:
        """Write the object behind an `s3://` URL to a file, in pieces.

        Raises:
            NotFound: there is no such object.
        """
        bucket, key = split_url(url)
        with s3_errors(self._access, url), path.open("wb") as file:
            for piece in obstore.get(self._store(bucket), key).stream(min_chunk_size=1 << 20):
                file.write(piece)

    def size_and_etag(self, key: str) -> tuple[int, str]:
        """An object's size in bytes and its etag.

        Raises:
            NotFound: there is no such object.
        """
        with s3_errors(self._access, key):
            found = obstore.head(self._store(), key)
        return found["size"], (found["e_tag"] or "").strip('"')

    def upload_url(self, key: str, seconds: int) -> str:
        """A presigned URL that takes one PUT of an object for some seconds."""
        return self._presigned("put_object", key, seconds)

    def download_url(self, key: str, seconds: int) -> str:
        """A presigned URL that gives an object for some seconds."""
        return self._presigned("get_object", key, seconds)

    def _presigned(self, method: str, key: str, seconds: int) -> str:
        with s3_errors(self._access, key):
            parameters = {"Bucket": self.bucket, "Key": key}
            return str(self._access.client().generate_presigned_url(method, Params=parameters, ExpiresIn=seconds))

    def keys(self, prefix: str) -> list[str]:
        """Keys under a prefix."""
        with s3_errors(self._access, prefix):
            return [item["path"] for page in obstore.list(self._store(), prefix=prefix) for item in page]

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; those that are not there are no error."""
        listed = list(keys)
        if listed:
            with s3_errors(self._access):
                obstore.delete(self._store(), listed)

    def _store(self, bucket: str | None = None) -> S3Store:
        name = bucket or self.bucket
        if name not in self._stores:
            self._stores[name] = self._access.store(name)
        return self._stores[name]

    def _each(self, items: Iterable[T], work: Callable[[T], Awaitable[R]]) -> Iterator[R]:
        """Work on a few at a time, so that memory stays small."""

        async def gather(group: list[T]) -> list[R]:
            return list(await asyncio.gather(*map(work, group)))

        pending = iter(items)
        while group := list(islice(pending, _CONCURRENCY)):
            with s3_errors(self._access):
                results = _run(gather(group))
            yield from results


def _run(work: Awaitable[list[R]]) -> list[R]:
    async def wait() -> list[R]:
        return await work

    with asyncio.Runner() as runner:
        return runner.run(wait())


def split_url(url: str) -> tuple[str, str]:
    """Bucket and key of an `s3://` URL."""
    bucket, _, key = url.removeprefix("s3://").partition("/")
    return bucket, key
