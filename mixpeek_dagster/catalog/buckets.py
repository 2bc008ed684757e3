"""Buckets: where a namespace's objects come from."""

from __future__ import annotations

from datetime import UTC, datetime

from mixpeek_dagster import ids
from mixpeek_dagster.catalog.catalog import Catalog
from mixpeek_dagster.catalog.records import Bucket, Namespace, require_name
from mixpeek_dagster.errors import AlreadyExists
from mixpeek_dagster.s3_url import S3Url


def bucket_record(namespace: Namespace, name: str, s3_bucket: str, *, created_at: datetime | None = None) -> Bucket:
    """A bucket in its usual place: a prefix of the installation's S3 bucket.

    Raises:
        InvalidRequest: the name cannot be one.
    """
    require_name("bucket", name)
    # Names begin with a letter or digit, so no bucket of the default organization can lie in this folder.
    place = f"_organizations/{namespace.address}" if "/" in namespace.address else namespace.address
    return Bucket(
        bucket_id=ids.derived_id(ids.Prefix.BUCKET, namespace.namespace_id, name),
        namespace_id=namespace.namespace_id,
        bucket_name=name,
        location=str(S3Url(s3_bucket, f"{place}/{name}/")),
        created_at=created_at or datetime.now(UTC),
    )


def ensure_bucket(catalog: Catalog, namespace: Namespace, name: str, s3_bucket: str) -> Bucket:
    """The namespace's bucket of that name, made if it is new."""
    known = catalog.buckets.find_by_name(namespace.namespace_id, name)
    if known is not None:
        return known
    bucket = bucket_record(namespace, name, s3_bucket)
    try:
        return catalog.buckets.insert(bucket)
    except AlreadyExists:
        return catalog.buckets.get(bucket.bucket_id)
