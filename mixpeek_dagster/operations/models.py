"""Models of a namespace: promised, put, confirmed; then used, and at last deleted."""

from __future__ import annotations

import re
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from mixpeek_dagster import ids
from mixpeek_dagster.catalog.models import ModelFormat, ModelRecord, ModelUpload, model_record_id
from mixpeek_dagster.catalog.tenant import NamespaceView
from mixpeek_dagster.catalog.uploads import UploadStatus
from mixpeek_dagster.errors import AlreadyExists, ArchiveError, InvalidRequest
from mixpeek_dagster.models.inspection import WeightsReport, inspect_weights
from mixpeek_dagster.objects.namespace_models import SUFFIXES
from mixpeek_dagster.operations.presigned import promise, size_put, work_folder
from mixpeek_dagster.plugins.manifest import normal_version
from mixpeek_dagster.stores import Stores

_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]{2,63}")
_WHAT_TO_PUT = {
    ModelFormat.SAFETENSORS: "model.safetensors",
    ModelFormat.PYTORCH: "model.pt",
    ModelFormat.HUGGINGFACE: "model.tar.gz",
}


def begin_model_upload(
    view: NamespaceView,
    stores: Stores,
    name: str,
    version: str,
    model_format: ModelFormat,
    *,
    description: str = "",
    size: int | None = None,
    seconds: int = 3600,
) -> tuple[ModelUpload, str]:
    """Promise an upload.

    Args:
        size: of the file in bytes, if it is known.
        seconds: how long the URL takes the file.

    Returns:
        The upload, and the presigned URL to PUT the file to.

    Raises:
        InvalidRequest: the name or version cannot be one, or the file is too large.
    """
    name, version = _identity(name, version)
    _refuse_large(size or 0, stores.settings.model_bytes)
    promised = promise(view, stores.namespace_models.upload_key, seconds)
    upload = ModelUpload(**promised, name=name, version=version, description=description, model_format=model_format)
    view.model_uploads.insert(upload)
    return upload, stores.objects.upload_url(upload.object_key, seconds)


def confirm_model_upload(
    view: NamespaceView, stores: Stores, upload_id: str, *, etag: str | None = None, size: int | None = None
) -> ModelRecord:
    """Look at an uploaded file and enter the model in it. Called again, it says the same.

    Raises:
        NotFound: there is no such upload, or nothing was put.
        InvalidRequest: it has expired, is not what was meant, or holds no weights that can be loaded safely.
        AlreadyExists: the version is there with other content.
    """
    upload = view.model_uploads.get(upload_id)
    if upload.status is UploadStatus.COMPLETED and upload.model_id:
        return view.models.in_namespace(view.id, upload.model_id)
    if upload.status is UploadStatus.FAILED:
        raise InvalidRequest(f"upload {upload_id!r}", why=upload.error, fix="Upload it again")
    there = size_put(stores, upload, _WHAT_TO_PUT[upload.model_format], etag=etag, size=size)
    try:
        _refuse_large(there, stores.settings.model_bytes)
        record = _register(view, stores, upload, there)
    except (InvalidRequest, ArchiveError) as error:
        view.model_uploads.finish(upload_id, UploadStatus.FAILED, None, error.message)
        stores.objects.delete([upload.object_key])
        raise
    view.model_uploads.finish(upload_id, UploadStatus.COMPLETED, record.model_id)
    stores.objects.delete([upload.object_key])
    return record


def deploy_namespace_model(view: NamespaceView, stores: Stores, model_id: str) -> ModelRecord:
    """Fetch a model to this machine, so that the first step that wants it need not wait.

    Raises:
        NotFound: the namespace has no such model.
        StoreError: its file is damaged.
    """
    model = view.models.in_namespace(view.id, model_id)
    stores.namespace_models.path(model)
    return model


def delete_namespace_model(view: NamespaceView, stores: Stores, model_id: str) -> ModelRecord:
    """Delete a model and its file.

    Raises:
        NotFound: the namespace has no such model.
    """
    model = view.models.in_namespace(view.id, model_id)
    view.models.delete(model.record_id)
    stores.namespace_models.delete(model.object_key)
    return model


def _register(view: NamespaceView, stores: Stores, upload: ModelUpload, size: int) -> ModelRecord:
    with work_folder(stores) as work:
        # Kept beside what is unpacked, since unpacking a plain file moves it.
        file, kept = work / "file", work / "kept"
        stores.objects.fetch(stores.objects.url(upload.object_key), file)
        kept.hardlink_to(file)
        target = work / f"{upload.name}{_suffix(upload.model_format)}"
        content_hash = stores.namespace_models.unpack(file, upload.model_format, target)
        report = inspect_weights(target)
        record = _record(view, stores, upload, content_hash, size, report)
        return _enter(view, stores, record, kept)


def _enter(view: NamespaceView, stores: Stores, record: ModelRecord, file: Path) -> ModelRecord:
    """Enter a model: first its file, then its record, so that no record points at nothing."""
    if (known := view.models.find_one(view.id, record.model_id)) is not None:
        return _same(known, record)
    stores.namespace_models.put(record.object_key, file)
    try:
        view.models.insert(record)
    except AlreadyExists:
        return _same(view.models.in_namespace(view.id, record.model_id), record)
    # Who has just deleted the same content may have taken the file away after we put it.
    stores.namespace_models.ensure(record.object_key, file)
    return record


def _same(known: ModelRecord, wanted: ModelRecord) -> ModelRecord:
    if known.content_hash == wanted.content_hash:
        return known
    raise AlreadyExists(
        f"model {known.name!r} {known.version}",
        why="this version is there with other content",
        fix="Upload it as another version, or delete this one first",
    )


def _record(
    view: NamespaceView, stores: Stores, upload: ModelUpload, content_hash: str, size: int, report: WeightsReport
) -> ModelRecord:
    model_id = ids.model_id(upload.name, upload.version)
    return ModelRecord(
        record_id=model_record_id(view.id, model_id),
        model_id=model_id,
        namespace_id=view.id,
        organization_id=view.namespace.organization_id,
        name=upload.name,
        version=upload.version,
        description=upload.description,
        model_format=upload.model_format,
        object_key=stores.namespace_models.key(view.id, model_id, content_hash, upload.model_format),
        content_hash=content_hash,
        file_size_bytes=size,
        **asdict(report),
        created_at=datetime.now(UTC),
    )


def _suffix(model_format: ModelFormat) -> str:
    return "" if model_format is ModelFormat.HUGGINGFACE else SUFFIXES[model_format]


def _identity(name: str, version: str) -> tuple[str, str]:
    if not _NAME.fullmatch(name):
        fix = "Use 3 to 64 letters, digits, - and _, a letter first"
        raise InvalidRequest(f"model name {name!r}", why="it cannot be one", fix=fix)
    normal = normal_version(version)
    if normal is None:
        raise InvalidRequest(f"model version {version!r}", why="it cannot be one", fix="Write it as '1.0.0'")
    return name, normal


def _refuse_large(size: int, limit: int) -> None:
    if size > limit:
        fix = "Raise MIXPEEK_MODEL_BYTES, or put it into the model store: mixpeek models add"
        raise InvalidRequest("the model", why=f"{size:,} bytes, {limit:,} are allowed", fix=fix)
