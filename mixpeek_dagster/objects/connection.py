"""The connection to S3, and its errors in our words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import obstore.exceptions
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from obstore.store import S3Store
from pydantic import SecretStr

from mixpeek_dagster.errors import MixpeekError, NotFound, StoreError, StoreUnavailable
from mixpeek_dagster.settings import Settings

AWS = "aws"

_NOT_THERE = frozenset({"404", "NoSuchKey", "NotFound"})


@dataclass(frozen=True)
class S3Access:
    """Where an S3 server is and how to sign requests to it.

    Args:
        url: endpoint; None for AWS itself.
        region: region.
        access_key_id: None leaves the key to the environment.
        secret_access_key: its secret.
        make_client: makes boto3 clients; None makes them here.
    """

    url: str | None
    region: str
    access_key_id: SecretStr | None = None
    secret_access_key: SecretStr | None = None
    make_client: Callable[[S3Access], Any] | None = None

    @classmethod
    def of(cls, settings: Settings, make_client: Callable[[S3Access], Any] | None = None) -> S3Access:
        """`AWS` as URL stands for Amazon's own endpoints."""
        url = None if settings.s3_url == AWS else settings.s3_url
        return cls(url, settings.s3_region, settings.s3_access_key_id, settings.s3_secret_access_key, make_client)

    @property
    def place(self) -> str:
        """The endpoint, for messages."""
        return self.url or "AWS"

    def store(self, bucket: str) -> S3Store:
        """An obstore client; over plain HTTP only if the URL says so."""
        options: dict[str, Any] = {"region": self.region, "virtual_hosted_style_request": self.url is None}
        if self.url:
            options["endpoint"] = self.url
        if self.access_key_id and self.secret_access_key:
            options["access_key_id"] = self.access_key_id.get_secret_value()
            options["secret_access_key"] = self.secret_access_key.get_secret_value()
        plain = bool(self.url and self.url.startswith("http://"))
        return S3Store(bucket, **options, client_options={"allow_http": plain, "timeout": "60s"})

    def client(self, timeout: float = 20.0) -> Any:
        """A boto3 client, for what concerns buckets.

        Args:
            timeout: seconds to wait for a connection or an answer, if the client is made here.
        """
        if self.make_client is not None:
            return self.make_client(self)
        key, secret = self.access_key_id, self.secret_access_key
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=self.region,
            aws_access_key_id=key.get_secret_value() if key else None,
            aws_secret_access_key=secret.get_secret_value() if secret else None,
            config=Config(
                connect_timeout=timeout,
                read_timeout=timeout,
                retries={"max_attempts": 3},
                signature_version="s3v4",
                s3={"addressing_style": "path" if self.url else "virtual"},
            ),
        )


def ping(settings: Settings) -> str:
    """The S3 server of the settings and how many buckets it shows.

    Raises:
        StoreUnavailable: it does not answer or refuses the key.
    """
    access = S3Access.of(settings)
    with s3_errors(access), closing(access.client(timeout=3)) as client:
        buckets = client.list_buckets()["Buckets"]
    return f"{access.place}, {len(buckets)} buckets"


def ensure_bucket(access: S3Access, bucket: str) -> None:
    """Make a bucket unless it is there.

    Raises:
        StoreUnavailable: S3 does not answer.
        StoreError: the bucket cannot be made.
    """
    with s3_errors(access), closing(access.client()) as client:
        try:
            client.head_bucket(Bucket=bucket)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") not in ("404", "NoSuchBucket"):
                raise
            try:
                client.create_bucket(Bucket=bucket)
            except (client.exceptions.BucketAlreadyOwnedByYou, client.exceptions.BucketAlreadyExists):
                return


@contextmanager
def s3_errors(access: S3Access, what: str = "") -> Iterator[None]:
    """Turn the clients' errors into ours.

    Raises:
        NotFound: there is no such object or bucket.
        StoreUnavailable: S3 does not answer.
        StoreError: it refused the call.
    """
    try:
        yield
    except MixpeekError:
        raise
    except (FileNotFoundError, obstore.exceptions.NotFoundError):
        raise NotFound(f"object {what!r}") from None
    except ClientError as error:
        refusal = error.response.get("Error", {})
        if refusal.get("Code") in _NOT_THERE:
            raise NotFound(f"object {what!r}") from None
        why = f"{refusal.get('Code')}: {refusal.get('Message')}"
        raise StoreError(f"S3 at {access.place}", why=why, fix="Check bucket, key and permissions") from None
    except (BotoCoreError, obstore.exceptions.BaseError, OSError) as error:
        why = " ".join(str(error).split())[:300]
        raise StoreUnavailable(f"S3 at {access.place}", why=f"it does not answer: {why}", fix="Start it") from None
