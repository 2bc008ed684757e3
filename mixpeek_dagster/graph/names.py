"""Names in the asset graph: keys, groups, jobs, resources and tags, each said once.

A namespace stands in them by its address: its name, preceded by its organization's unless that is the default one.
"""

from __future__ import annotations

import hashlib

import dagster as dg

from mixpeek_dagster import ids

STORES = "stores"
FRAMES_IO = "frames_io"
SPOOL_IO = "spool_io"

BATCH_TAG = "mixpeek/batch"
BUCKET_TAG = "mixpeek/bucket"
COLLECTION_METADATA = "mixpeek/collection"


def blobs_key(namespace: str, bucket: str) -> dg.AssetKey:
    """`namespace / bucket / blobs`; a namespace of another organization has two parts."""
    return dg.AssetKey([*namespace.split("/"), bucket, "blobs"])


def features_key(namespace: str, collection: str) -> dg.AssetKey:
    """Asset of a collection's rows after its last step."""
    return dg.AssetKey([*namespace.split("/"), collection, "features"])


def documents_key(namespace: str, collection: str) -> dg.AssetKey:
    """Asset of a collection's documents in Qdrant."""
    return dg.AssetKey([*namespace.split("/"), collection, "documents"])


def partitions_name(namespace: str, bucket: str) -> str:
    """Dynamic partitions of a bucket: one key per batch."""
    return f"{namespace}/{bucket}"


def job_name(namespace: str, collection: str) -> str:
    """Job that takes one batch through one collection."""
    return _joined(*namespace.split("/"), collection)


def bucket_job_name(namespace: str, bucket: str) -> str:
    """Job that reads one batch of a bucket."""
    return f"{_joined(*namespace.split('/'), bucket)}__read"


def batch_job_name(namespace: str, bucket: str) -> str:
    """Job that takes one batch through all collections that a bucket feeds."""
    return f"{_joined(*namespace.split('/'), bucket)}__batch"


def arrivals_name(namespace: str, bucket: str) -> str:
    """Sensor that looks for a bucket's arrivals."""
    return f"{_joined(*namespace.split('/'), bucket)}__arrivals"


def group_name(name: str) -> str:
    """Group that the UI draws a bucket or collection in."""
    return ids.identifier(name)


def _joined(*parts: str) -> str:
    """One Dagster name for several names; a digest keeps apart what Dagster's alphabet would merge."""
    name = "__".join(map(ids.identifier, parts))
    if all(part.isidentifier() and "__" not in part for part in parts):
        return name
    return f"{name}_{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:6]}"
