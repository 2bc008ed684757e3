"""Files and folders into a bucket, as one batch."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mixpeek_dagster import ids
from mixpeek_dagster.catalog.catalog import Catalog
from mixpeek_dagster.catalog.records import Batch, Blob, Bucket, Object
from mixpeek_dagster.errors import InvalidRequest, NotFound
from mixpeek_dagster.ingest.mime import blob_type, detect_mime
from mixpeek_dagster.objects.object_store import ObjectStore
from mixpeek_dagster.s3_url import S3Url

PROPERTY = "content"
_HEAD = 8192
_GROUP = 256
_MAX_KEY = 1024

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class _File:
    path: Path
    key: str


def ingest_paths(
    catalog: Catalog, objects: ObjectStore, bucket: Bucket, paths: Sequence[Path], *, progress: Progress | None = None
) -> Batch:
    """Upload what is new or changed and make a batch of all the files.

    If the bucket's newest batch holds exactly these files with these contents, it is returned and nothing is made.

    Raises:
        NotFound: a path does not exist.
        InvalidRequest: there is no file under the paths, two have one key, or a key is too long.
    """
    files = list(_walk(paths))
    _refuse_unusable(files, bucket)
    known = {item.key: item for item in catalog.objects.of_bucket(bucket.bucket_id)}
    now = [_object(objects, bucket, file) for file in files]
    changed = [(file, item) for file, item in zip(files, now, strict=True) if not _same(known.get(file.key), item)]
    stored = {item.key: known[item.key] for item in now if _same(known.get(item.key), item)}
    stored |= _upload(objects, changed, len(files), progress)
    current = [stored[item.key] for item in now]
    catalog.objects.put_many([stored[item.key] for _, item in changed])
    return _batch(catalog, bucket, current)


def _walk(paths: Sequence[Path]) -> Iterator[_File]:
    for path in paths:
        if not path.exists():
            raise NotFound(f"path {str(path)!r}", fix="Name files or folders that exist")
        if path.is_file():
            yield _File(path, path.name)
            continue
        root = path.resolve()
        for file in sorted(root.rglob("*")):
            relative = file.relative_to(root)
            hidden = any(part.startswith(".") for part in relative.parts)
            if file.is_file() and not hidden:
                yield _File(file, f"{root.name}/{relative.as_posix()}")


def _refuse_unusable(files: Sequence[_File], bucket: Bucket) -> None:
    if not files:
        raise InvalidRequest("these paths", why="there is no file under them", fix="Hidden files are left out")
    seen: dict[str, Path] = {}
    for file in files:
        if file.key in seen:
            why = f"{seen[file.key]} and {file.path} would both be object {file.key!r}"
            raise InvalidRequest("these paths", why=why, fix="Ingest them under one common folder")
        seen[file.key] = file.path
        if len((bucket.prefix + file.key).encode()) > _MAX_KEY:
            raise InvalidRequest(f"file {str(file.path)!r}", why=f"its key is longer than {_MAX_KEY} bytes")


def _object(objects: ObjectStore, bucket: Bucket, file: _File) -> Object:
    """The object's record as it should be; the etag is known after the upload."""
    digest = hashlib.sha256()
    with file.path.open("rb") as stream:
        head = stream.read(_HEAD)
        digest.update(head)
        while piece := stream.read(1 << 20):
            digest.update(piece)
    mime_type = detect_mime(file.key, head)
    object_id = ids.derived_id(ids.Prefix.OBJECT, bucket.bucket_id, file.key)
    blob = Blob(
        blob_id=ids.blob_id(object_id, PROPERTY),
        property=PROPERTY,
        type=blob_type(mime_type),
        url=objects.url(f"{bucket.prefix}{file.key}"),
        mime_type=mime_type,
        size_bytes=file.path.stat().st_size,
        etag="",
        content_hash=digest.hexdigest(),
    )
    return Object(
        object_id=object_id,
        bucket_id=bucket.bucket_id,
        namespace_id=bucket.namespace_id,
        key=file.key,
        blobs=(blob,),
        updated_at=datetime.now(UTC),
    )


def _same(known: Object | None, wanted: Object) -> bool:
    return known is not None and [_content(blob) for blob in known.blobs] == [_content(blob) for blob in wanted.blobs]


def _content(blob: Blob) -> tuple[str, str, str]:
    return (blob.property, blob.url, blob.content_hash)


def _upload(
    objects: ObjectStore, changed: Sequence[tuple[_File, Object]], total: int, progress: Progress | None
) -> dict[str, Object]:
    done = total - len(changed)
    uploaded: dict[str, Object] = {}
    for start in range(0, len(changed), _GROUP):
        group = changed[start : start + _GROUP]
        items = [(S3Url.parse(item.blobs[0].url).key, file.path) for file, item in group]
        for (_, item), (_, etag) in zip(group, objects.put_many(items), strict=True):
            blob = item.blobs[0].model_copy(update={"etag": etag})
            uploaded[item.key] = item.model_copy(update={"blobs": (blob,)})
            done += 1
            if progress is not None:
                progress(done, total)
    return uploaded


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
