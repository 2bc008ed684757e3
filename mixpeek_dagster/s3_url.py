"""`s3://` URLs: what they name, and how they are written."""

from __future__ import annotations

from typing import NamedTuple

from mixpeek_dagster.errors import InvalidRequest

SCHEME = "s3://"


class S3Url(NamedTuple):
    """A place in S3: a bucket and a key, or a prefix of keys, in it."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, url: str) -> S3Url:
        """What a URL names; its key may be empty.

        Raises:
            InvalidRequest: it is no `s3://` URL, or names no bucket.
        """
        bucket, _, key = url.removeprefix(SCHEME).partition("/")
        if not is_s3(url) or not bucket:
            fix = f"Write it as {SCHEME}bucket/key"
            raise InvalidRequest(f"URL {url!r}", why="it names no place in S3", fix=fix)
        return cls(bucket, key)

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.key}"


def is_s3(url: str) -> bool:
    return url.startswith(SCHEME)
