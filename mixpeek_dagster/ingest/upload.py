"""Files into a bucket, as one batch: which are new, where they go, and what is entered once they are there."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mixpeek_dagster import ids
from mixpeek_dagster.catalog.catalog import Catalog
from mixpeek_dagster.catalog.records import Batch, Blob, Bucket, Object
from mixpeek_dagster.errors import InvalidRequest, NotFound
from mixpeek_dagster.ingest.files import FileEntry, find_files
from mixpeek_dagster.ingest.mime import blob_type
from mixpeek_dagster.objects.object_store import Head, ObjectStore

PROPERTY = "content"
_MAX_KEY = 1024

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class UploadTarget:
    """Where a file goes: its key in S3, below its bucket's prefix."""

    file: FileEntry
    s3_key: str


def ingest_paths(
    catalog: Catalog, objects: ObjectStore, bucket: Bucket, paths: Sequence[Path], *, progress: Progress | None = None
) -> Batch:
    """Upload what is new or changed and make a batch of all the files.

    If the bucket's newest batch holds exactly these files with these contents, it is returned and nothing is made.

    Raises:
        NotFound: a path does not exist.
        InvalidRequest: there is no file under the paths, two have one key, or a key cannot be one.
    """
    found = {file.key: file for file in find_files(paths)}
    files = [file.describe() for file in found.values()]
    wanted = places(catalog, objects, bucket, files)
    done = len(files) - len(wanted)
    for _ in objects.put_many([(place.s3_key, found[place.file.key].path) for place in wanted]):
        done += 1
        if progress is not None:
            progress(done, len(files))
    return enter_files(catalog, objects, bucket, files)


def places(catalog: Catalog, objects: ObjectStore, bucket: Bucket, files: Sequence[FileEntry]) -> list[UploadTarget]:
    """Where those files go that the bucket does not hold with this content.

    Raises:
        InvalidRequest: a key cannot be one.
    """
    for file in files:
        _require_key(bucket, file.key)
    known = _known(catalog, bucket, files)
    return [
        UploadTarget(file, f"{bucket.prefix}{file.key}")
        for file in files
        if not _same(known.get(file.key), _object(objects, bucket, file))
    ]


def enter_files(catalog: Catalog, objects: ObjectStore, bucket: Bucket, files: Sequence[FileEntry]) -> Batch:
    """Enter files that are in S3 as objects, and make a batch of all of them.

    S3 is asked for each new one: what is not there, or has another size, is entered by nobody's word.

    Raises:
        NotFound: one of them is not in S3.
        InvalidRequest: one has another size than was said, a key cannot be one, or there are none.
    """
    if not files or len({file.key for file in files}) < len(files):
        raise InvalidRequest("a batch", why="two files have one key" if files else "there is no file to make it of")
    for file in files:
        _require_key(bucket, file.key)
    known = _known(catalog, bucket, files)
    stored = {file.key: _object(objects, bucket, file) for file in files}
    changed = [file for file in files if not _same(known.get(file.key), stored[file.key])]
    stored |= {key: item for key, item in known.items() if _same(item, stored[key])}
    heads = objects.head_many([stored[file.key].blobs[0].url for file in changed])
    for file, head in zip(changed, heads, strict=True):
        stored[file.key] = _with_etag(stored[file.key], file, head)
    catalog.objects.put_many([stored[file.key] for file in changed])
    return _batch(catalog, bucket, list(stored.values()))


def _require_key(bucket: Bucket, key: str) -> None:
    """Refuse keys that S3 does not take, and those that a server may read as paths to somewhere else."""
    if any(part in {"", ".", ".."} for part in key.split("/")) or "\0" in key:
        raise InvalidRequest(f"file {key!r}", why="a part of its key is empty or made of dots")
    if len((bucket.prefix + key).encode()) > _MAX_KEY:
        raise InvalidRequest(f"file {key!r}", why=f"its key is longer than {_MAX_KEY} bytes")


def _known(catalog: Catalog, bucket: Bucket, files: Sequence[FileEntry]) -> dict[str, Object]:
    return {item.key: item for item in catalog.objects.with_keys(bucket.bucket_id, [file.key for file in files])}


def _object(objects: ObjectStore, bucket: Bucket, file: FileEntry) -> Object:
    """The object's record as it should be; the etag is known when S3 was asked."""
    object_id = ids.derived_id(ids.Prefix.OBJECT, bucket.bucket_id, file.key)
    blob = Blob(
        blob_id=ids.blob_id(object_id, PROPERTY),
        property=PROPERTY,
        type=blob_type(file.mime_type),
        url=objects.url(f"{bucket.prefix}{file.key}"),
        mime_type=file.mime_type,
        size_bytes=file.size_bytes,
        etag="",
        content_hash=file.content_hash,
    )
    return Object(
        object_id=object_id,
        bucket_id=bucket.bucket_id,
        namespace_id=bucket.namespace_id,
        key=file.key,
        blobs=(blob,),
        updated_at=datetime.now(UTC),
    )


def _with_etag(item: Object, file: FileEntry, head: Head | None) -> Object:
    if head is None:
        raise NotFound(f"object {file.key!r}", why="it was not put into S3", fix="PUT each file to its URL first")
    if head.size != file.size_bytes:
        why = f"{file.size_bytes} bytes were announced, {head.size} are there"
        raise InvalidRequest(f"object {file.key!r}", why=why, fix="Ingest it again: it changed meanwhile")
    return item.model_copy(update={"blobs": (item.blobs[0].model_copy(update={"etag": head.etag}),)})


def _same(known: Object | None, wanted: Object) -> bool:
    return known is not None and [_content(blob) for blob in known.blobs] == [_content(blob) for blob in wanted.blobs]


def _content(blob: Blob) -> tuple[str, str, str]:
    return (blob.property, blob.url, blob.content_hash)


def _batch(catalog: Catalog, bucket: Bucket, items: Sequence[Object]) -> Batch:
    digest = hashlib.sha256()
    for item in sorted(items, key=lambda item: item.key):
        digest.update(f"{item.key}\0{item.blobs[0].content_hash}\0".encode())
    newest = catalog.batches.newest(bucket.bucket_id)
    if newest is not None and newest.content_hash == digest.hexdigest():
        return newest
    batch = Batch(
        batch_id=ids.new_id(ids.Prefix.BATCH),
        bucket_id=bucket.bucket_id,
        namespace_id=bucket.namespace_id,
        object_count=len(items),
        content_hash=digest.hexdigest(),
        created_at=datetime.now(UTC),
    )
    # Members first: a batch that is visible is whole.
    catalog.objects.join_batch(batch.batch_id, items)
    return catalog.batches.insert(batch)
