"""Objects in S3 by key, or by `s3://` URL."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import obstore
from obstore.store import S3Store

from mixpeek_dagster.errors import InvalidRequest, MixpeekError, NotFound
from mixpeek_dagster.objects.connection import S3Access, ensure_bucket, s3_errors
from mixpeek_dagster.objects.listing import Head, ListedPage
from mixpeek_dagster.s3_url import S3Url

T = TypeVar("T")
R = TypeVar("R")
_CONCURRENCY = 32
_PIECE = 4 * 2**20
_STANDARD = frozenset(
    {"Content-Type", "Content-Disposition", "Content-Encoding", "Content-Language", "Cache-Control", "Storage-Class"}
)


class ObjectStore:
    """The objects of one S3 bucket; URLs of other buckets are read with the same access.

    Args:
        access: where the bucket is.
        bucket: its name.
        make: whether to make the bucket if it is not there.
    """

    def __init__(self, access: S3Access, bucket: str, *, make: bool = True) -> None:
        self._access = access
        self.bucket = bucket
        self._stores: dict[str, S3Store] = {}
        if make:
            ensure_bucket(access, bucket)

    def make_bucket(self) -> None:
        """Make the bucket unless it is there; on AWS, where names are everybody's, a missing one is a mistake."""
        if self._access.url is not None:
            ensure_bucket(self._access, self.bucket)

    @cached_property
    def _client(self) -> Any:
        return self._access.client()

    def close(self) -> None:
        """Give boto3's connections back; obstore keeps its own no longer than itself."""
        if "_client" in self.__dict__:
            self._client.close()

    def url(self, key: str) -> str:
        """`s3://bucket/key`."""
        return str(S3Url(self.bucket, key))

    def __getstate__(self) -> Any:
        """Refuse to be pickled: it holds keys, which must not travel.

        Raises:
            TypeError: always.
        """
        raise TypeError("an ObjectStore holds keys and is not pickled; open one where it is needed")

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
            bucket, key = S3Url.parse(url)
            try:
                if not _is_plain(key):
                    return await asyncio.to_thread(self._read, bucket, key)
                with s3_errors(self._access, url):
                    reply = await obstore.get_async(self._store(bucket), key)
                    return bytes(await reply.bytes_async())
            except MixpeekError as error:
                return error

        yield from self._each(urls, get)

    def fetch(self, url: str, path: Path, most_bytes: int | None = None) -> None:
        """Write the object behind an `s3://` URL to a file, in pieces.

        Raises:
            NotFound: there is no such object.
            InvalidRequest: it is larger than allowed.
        """
        bucket, key = S3Url.parse(url)
        if not _is_plain(key):
            with s3_errors(self._access, url):
                reply = self._client.get_object(Bucket=bucket, Key=key)
                _refuse_large(url, int(reply["ContentLength"]), most_bytes)
                with path.open("wb") as file:
                    shutil.copyfileobj(reply["Body"], file, 1 << 20)
            return
        with s3_errors(self._access, url):
            found = obstore.get(self._store(bucket), key)
            _refuse_large(url, found.meta["size"], most_bytes)
            with path.open("wb") as file:
                for piece in found.stream(min_chunk_size=1 << 20):
                    file.write(piece)

    def fetch_version(self, url: str, etag: str, path: Path, seen: Callable[[bytes], None]) -> bool:
        """Write one version of the object behind an `s3://` URL to a file.

        Args:
            url: which object.
            etag: of the version.
            path: where to.
            seen: called with each piece.

        Returns:
            Whether S3 keeps the content in such a way that its etag can be its MD5.

        Raises:
            NotFound: there is no such object.
            StoreError: it is another version by now.
        """
        bucket, key = S3Url.parse(url)
        with s3_errors(self._access, url):
            reply = self._client.get_object(Bucket=bucket, Key=key, IfMatch=f'"{etag}"')
            with path.open("wb") as file:
                for piece in iter(lambda: reply["Body"].read(_PIECE), b""):
                    file.write(piece)
                    seen(piece)
        return str(reply.get("ServerSideEncryption", "AES256")) == "AES256"

    def size_and_etag(self, key: str) -> tuple[int, str]:
        """An object's size in bytes and its etag.

        Raises:
            NotFound: there is no such object.
        """
        with s3_errors(self._access, key):
            found = obstore.head(self._store(), key)
        return found["size"], (found["e_tag"] or "").strip('"')

    def list_page(self, bucket: str, prefix: str, token: str | None) -> ListedPage:
        """One page of a bucket's listing, in whatever order the server lists."""
        more = {"ContinuationToken": token} if token else {}
        with s3_errors(self._access, f"{bucket}/{prefix}"):
            reply = self._client.list_objects_v2(Bucket=bucket, Prefix=prefix, **more)
        items = [(item["Key"], item["ETag"].strip('"'), int(item["Size"])) for item in reply.get("Contents", [])]
        return ListedPage(items, reply.get("NextContinuationToken"))

    def head_many(self, urls: Iterable[str]) -> Iterator[Head | None]:
        """What S3 knows of `s3://` URLs, concurrently and in order; None for what is not there."""

        async def head(url: str) -> Head | None:
            bucket, key = S3Url.parse(url)
            try:
                if not _is_plain(key):
                    return await asyncio.to_thread(self._head, bucket, key)
                with s3_errors(self._access, url):
                    found = await obstore.get_async(self._store(bucket), key, options={"head": True})
            except NotFound:
                return None
            kind = found.attributes.get("Content-Type")
            return Head(
                size=found.meta["size"],
                etag=(found.meta["e_tag"] or "").strip('"'),
                content_type=str(kind) if kind else "",
                metadata={str(k): str(v) for k, v in found.attributes.items() if str(k) not in _STANDARD},
            )

        yield from self._each(urls, head)

    def tags_many(self, urls: Iterable[str]) -> Iterator[dict[str, str]]:
        """Tags of the objects behind `s3://` URLs, concurrently and in order; none of what is not there."""

        async def tags(url: str) -> dict[str, str]:
            return await asyncio.to_thread(self._tags, *S3Url.parse(url))

        yield from self._each(urls, tags)

    def upload_url(self, key: str, seconds: int) -> str:
        """A presigned URL that takes one PUT of an object for some seconds."""
        return self._presigned("put_object", key, seconds)

    def download_url(self, key: str, seconds: int) -> str:
        """A presigned URL that gives an object for some seconds."""
        return self._presigned("get_object", key, seconds)

    def _presigned(self, method: str, key: str, seconds: int) -> str:
        with s3_errors(self._access, key):
            parameters = {"Bucket": self.bucket, "Key": key}
            return str(self._client.generate_presigned_url(method, Params=parameters, ExpiresIn=seconds))

    def keys(self, prefix: str) -> list[str]:
        """All of them, however many; in no order."""
        with s3_errors(self._access, prefix):
            return [item["path"] for page in obstore.list(self._store(), prefix=prefix) for item in page]

    def written(self, prefix: str) -> Iterator[tuple[str, float]]:
        """Keys under a prefix with the time of their last write, in seconds since 1970."""
        with s3_errors(self._access, prefix):
            for page in obstore.list(self._store(), prefix=prefix):
                yield from ((item["path"], item["last_modified"].timestamp()) for item in page)

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; those that are not there are no error."""
        listed = list(keys)
        if listed:
            with s3_errors(self._access):
                obstore.delete(self._store(), listed)

    def _head(self, bucket: str, key: str) -> Head:
        with s3_errors(self._access, key):
            found = self._client.head_object(Bucket=bucket, Key=key)
        kind, size = found.get("ContentType", ""), int(found["ContentLength"])
        return Head(size, found["ETag"].strip('"'), kind, dict(found.get("Metadata", {})))

    def _tags(self, bucket: str, key: str) -> dict[str, str]:
        try:
            with s3_errors(self._access, key):
                found = self._client.get_object_tagging(Bucket=bucket, Key=key)
        except NotFound:
            return {}
        return {tag["Key"]: tag["Value"] for tag in found["TagSet"]}

    def _read(self, bucket: str, key: str) -> bytes:
        with s3_errors(self._access, key):
            return bytes(self._client.get_object(Bucket=bucket, Key=key)["Body"].read())

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


def _refuse_large(url: str, size: int, most: int | None) -> None:
    if most is not None and size > most:
        fix = "Raise MIXPEEK_MAX_ASSET_BYTES if that is meant"
        raise InvalidRequest(f"asset {url!r}", why=f"it has {size:,} bytes, more than {most:,}", fix=fix)


def _is_plain(key: str) -> bool:
    """Whether obstore can name a key: it reads keys as paths, in which some of what S3 allows means something else."""
    odd = any(part in {"", ".", ".."} for part in key.split("/"))
    return not odd and key.isprintable()
