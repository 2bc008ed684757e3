"""What uploads of every kind go through: a file was put to a presigned URL, and is fetched to be looked at."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mixpeek_dagster import ids
from mixpeek_dagster.catalog.tenant import NamespaceView
from mixpeek_dagster.catalog.uploads import UploadRecord
from mixpeek_dagster.errors import InvalidRequest, NotFound
from mixpeek_dagster.stores import Stores


def promise(view: NamespaceView, key_of: Callable[[str, str], str], seconds: int) -> dict[str, Any]:
    """Fields that a new upload of any kind has: its ids, where the file goes, and for how long the URL takes it.

    Args:
        key_of: key of the file in S3, from the ids of namespace and upload.
        seconds: how long.
    """
    now = datetime.now(UTC)
    upload_id = ids.new_id(ids.Prefix.UPLOAD)
    return {
        "upload_id": upload_id,
        "namespace_id": view.id,
        "organization_id": view.namespace.organization_id,
        "object_key": key_of(view.id, upload_id),
        "created_at": now,
        "expires_at": now + timedelta(seconds=seconds),
    }


def size_put(stores: Stores, upload: UploadRecord, file: str, *, etag: str | None, size: int | None) -> int:
    """Size in bytes of what was put for an upload.

    Args:
        file: what errors call it, such as `plugin.zip`.
        etag: what the client says its etag is; None = not said.
        size: what the client says its size is; None = not said.

    Raises:
        NotFound: nothing was put.
        InvalidRequest: it has expired, or what was put is not what was meant.
    """
    try:
        there, tag = stores.objects.size_and_etag(upload.object_key)
    except NotFound:
        if upload.expires_at <= datetime.now(UTC):
            why, fix = f"it expired at {upload.expires_at:%H:%M:%S} UTC and nothing was put", "Ask for a new upload"
            raise InvalidRequest(f"upload {upload.upload_id!r}", why=why, fix=fix) from None
        kind = Path(file).suffix.removeprefix(".") or "file"
        fix = f'PUT the {kind} to the presigned URL first: curl -X PUT "$PRESIGNED_URL" --data-binary @{file}'
        raise NotFound(f"archive of upload {upload.upload_id!r}", why="nothing was put yet", fix=fix) from None
    if size is not None and size != there:
        raise InvalidRequest(f"upload {upload.upload_id!r}", why=f"{size} bytes were announced, {there} are there")
    if etag is not None and etag.strip('"') != tag:
        raise InvalidRequest(f"upload {upload.upload_id!r}", why=f"its etag is {tag!r}, not {etag!r}")
    return there


@contextmanager
def work_folder(stores: Stores) -> Iterator[Path]:
    """A folder of our own under the home folder; left over ones are of killed processes and hold nothing of value."""
    folder = stores.settings.home_path / "uploads" / secrets.token_hex(8)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
