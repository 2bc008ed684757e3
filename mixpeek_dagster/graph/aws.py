"""Clients of S3 and SQS in the code location: dagster-aws's resources, configured from the settings.

They are made here and handed on, never entered into the definitions: keys would show in run config and the UI.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from mixpeek_dagster.settings import Settings

if TYPE_CHECKING:
    from mixpeek_dagster.objects.connection import S3Access
    from mixpeek_dagster.stores import Stores

_TRIES = 3


def open_stores(settings: Settings) -> Stores:
    """The stores as the code location opens them.

    Raises:
        StoreError: an embedded store cannot be started.
    """
    # Imported when they are first opened: a code location is imported more often than it opens them.
    from mixpeek_dagster import stores

    return stores.open_stores(settings, s3_client=s3_client)


def s3_client(access: S3Access) -> Any:
    """A boto3 client from dagster-aws, set up as its `S3Resource` would be."""
    from dagster_aws.s3 import S3Resource

    resource = S3Resource(
        endpoint_url=access.url,
        region_name=access.region,
        aws_access_key_id=_reveal(access.access_key_id),
        aws_secret_access_key=_reveal(access.secret_access_key),
        max_attempts=_TRIES,
    )
    return resource.get_client()


def queue_client(settings: Settings) -> Any:
    """A boto3 client of SQS, at the endpoint of the settings or AWS itself."""
    from mixpeek_dagster.graph.sqs import SQSResource

    resource = SQSResource(
        endpoint_url=settings.sqs_url,
        region_name=settings.s3_region,
        aws_access_key_id=_reveal(settings.s3_access_key_id),
        aws_secret_access_key=_reveal(settings.s3_secret_access_key),
    )
    return resource.get_client()


def _reveal(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None
