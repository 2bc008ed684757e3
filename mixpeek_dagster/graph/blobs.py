"""The asset of a bucket's blobs: one row per blob, one partition per batch."""

# No postponed annotations here: Dagster reads those of ops and assets.

import dagster as dg

from mixpeek_dagster.catalog.records import Bucket, Namespace
from mixpeek_dagster.graph import names
from mixpeek_dagster.graph.failures import user_errors
from mixpeek_dagster.graph.resource import StoresResource
from mixpeek_dagster.graph.step_jobs import JOB_TAGS
from mixpeek_dagster.runs.frames import Frames

_DESCRIPTION = """One row per blob of **{bucket}**, read from `{location}`.

Text is read into `data`; for any other file `data` is its s3:// URL. Partitions are batches."""


def partitions(namespace: str, bucket: str) -> dg.DynamicPartitionsDefinition:
    """One partition per batch; batches come and go, so they are dynamic."""
    return dg.DynamicPartitionsDefinition(name=names.partitions_name(namespace, bucket))


def blobs_asset(namespace: Namespace, bucket: Bucket) -> dg.AssetsDefinition:
    """One row per blob of a batch: where every chain of a bucket begins."""
    key = names.blobs_key(namespace.address, bucket.bucket_name)

    @dg.asset(
        key=key,
        description=_DESCRIPTION.format(bucket=bucket.bucket_name, location=bucket.location),
        partitions_def=partitions(namespace.address, bucket.bucket_name),
        group_name=names.group_name(bucket.bucket_name),
        kinds={"s3", "pandas"},
        io_manager_key=names.FRAMES_IO,
        metadata={"location": bucket.location},
        op_tags=JOB_TAGS,
    )
    def blobs(context: dg.AssetExecutionContext, stores: StoresResource) -> Frames:
        from mixpeek_dagster.runs.blobs import read_blobs

        with user_errors():
            return read_blobs(stores.open, stores.settings, batch_id=context.partition_key)

    return blobs
