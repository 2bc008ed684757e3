"""Files into a bucket: where each goes, and the batch that they become."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mixpeek_dagster.catalog.buckets import bucket_record
from mixpeek_dagster.catalog.records import Batch, Bucket, Namespace
from mixpeek_dagster.catalog.tenant import NamespaceView
from mixpeek_dagster.errors import InvalidRequest
from mixpeek_dagster.ingest.files import FileEntry
from mixpeek_dagster.ingest.upload import Progress, UploadTarget, enter_files, ingest_paths, places
from mixpeek_dagster.operations.buckets import bucket_or_new
from mixpeek_dagster.stores import Stores


@dataclass(frozen=True)
class Planned:
    """What an ingest has to put where.

    Args:
        places: of the files that are new or changed.
        unchanged: how many the bucket holds as they are.
    """

    bucket: Bucket
    places: list[UploadTarget]
    unchanged: int


def plan_ingest(stores: Stores, view: NamespaceView, bucket: str, files: Sequence[FileEntry]) -> Planned:
    """Say which files have to be put, and under which keys. The bucket is made if it is new.

    Args:
        bucket: by id or name.

    Raises:
        InvalidRequest: a key cannot be one, or the bucket's objects are put by others.
    """
    record = _own_bucket(stores, view, bucket)
    wanted = places(view.catalog, stores.objects, record, files)
    return Planned(record, wanted, len(files) - len(wanted))


def finish_ingest(stores: Stores, view: NamespaceView, bucket: str, files: Sequence[FileEntry]) -> Batch:
    """Enter files that were put as objects, and make them a batch: a partition in Dagster.

    The same files as in the bucket's newest batch are that batch.

    Raises:
        NotFound: one of them was not put.
        InvalidRequest: one has another size than was said.
    """
    record = _own_bucket(stores, view, bucket)
    batch = enter_files(view.catalog, stores.objects, record, files)
    _make_partition(stores, view.namespace, record, batch)
    return batch


def ingest_files(
    stores: Stores, namespace: Namespace, bucket: str, paths: Sequence[Path], progress: Progress | None = None
) -> Batch:
    """Both, and the putting between them, for files of this machine."""
    view = stores.catalog.view(namespace)
    record = _own_bucket(stores, view, bucket)
    batch = ingest_paths(stores.catalog, stores.objects, record, paths, progress=progress)
    _make_partition(stores, namespace, record, batch)
    return batch


def _own_bucket(stores: Stores, view: NamespaceView, bucket: str) -> Bucket:
    """A bucket in its usual place: what lies elsewhere is somebody else's to write."""
    record = bucket_or_new(stores, view, bucket)
    usual = bucket_record(view.namespace, record.bucket_name, stores.objects.bucket).location
    if record.location != usual:
        why = f"its objects are at {record.location}, where others put them"
        fix = f"Put files there, and run `mixpeek bucket sync on {record.bucket_name}`"
        raise InvalidRequest(f"ingest into bucket {record.bucket_name!r}", why=why, fix=fix)
    return record


def _make_partition(stores: Stores, namespace: Namespace, bucket: Bucket, batch: Batch) -> None:
    # Dagster takes longer to import than all the rest.
    from mixpeek_dagster.dagster_home.runs import add_batch, open_instance

    with open_instance(stores.settings) as instance:
        add_batch(instance, namespace.address, bucket.bucket_name, batch.batch_id)
