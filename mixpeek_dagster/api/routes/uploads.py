"""Uploading plugins: a presigned URL and a confirmation, or one multipart request."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path as FilePath
from typing import Annotated

from fastapi import APIRouter, File, Form, Path, UploadFile

from mixpeek_dagster.api.access import PathReader, PathWriter, State
from mixpeek_dagster.api.schemas.plugin_uploads import (
    ConfirmUpload,
    CreateUpload,
    PendingUpload,
    PendingUploads,
    PluginConfirmed,
    Upload,
)
from mixpeek_dagster.errors import InvalidRequest
from mixpeek_dagster.operations.uploads import begin_upload, confirm_upload, register_archive

router = APIRouter(prefix="/namespaces/{namespace}/plugins", tags=["plugins"])

_UploadId = Annotated[str, Path(description="Id of the upload.", examples=["upl_5f0c9a1b2c3d"])]


@router.post("/uploads", status_code=201, summary="Ask where to put a plugin's zip")
def create_plugin_upload(view: PathWriter, state: State, wanted: CreateUpload) -> Upload:
    """The reply holds a presigned URL. PUT the zip to it and confirm; before that there is no plugin."""
    limit = state.settings.plugin_packed_bytes
    if wanted.file_size_bytes and wanted.file_size_bytes > limit:
        fix = "Leave model weights out and load them with from_pretrained"
        raise InvalidRequest("the archive", why=f"{wanted.file_size_bytes:,} bytes, {limit:,} are allowed", fix=fix)
    upload, url = begin_upload(
        view,
        state.stores,
        wanted.name,
        wanted.version,
        description=wanted.description,
        seconds=wanted.presigned_url_expiration,
    )
    fields = upload.model_dump(include={"upload_id", "expires_at", "namespace_id", "name", "version"})
    return Upload(presigned_url=url, s3_key=upload.object_key, **fields)


@router.get("/uploads", summary="List uploads")
def list_plugin_uploads(view: PathReader) -> PendingUploads:
    """Uploads that wait for their zip or their confirmation, and what became of the others."""
    found = view.plugin_uploads.newest_first()
    return PendingUploads(results=[PendingUpload.model_validate(upload.model_dump(mode="json")) for upload in found])


@router.post("/uploads/{upload_id}/confirm", summary="Check an uploaded zip and register the plugin")
def confirm_plugin_upload(
    view: PathWriter, state: State, upload_id: _UploadId, known: ConfirmUpload | None = None
) -> PluginConfirmed:
    """Archive, security scan, manifest, imports and steps are checked. Called again, it says the same."""
    known = known or ConfirmUpload()
    plugin = confirm_upload(
        view, state.stores, upload_id, etag=known.etag, size=known.file_size_bytes, replace=known.replace
    )
    state.graph.request()
    return PluginConfirmed.of(plugin, state.settings.s3_bucket, upload_id)


@router.post("", status_code=201, summary="Upload a plugin in one request")
def upload_plugin(
    view: PathWriter,
    state: State,
    file: Annotated[UploadFile, File(description="The zip.")],
    name: Annotated[str, Form(pattern=r"^[a-zA-Z][a-zA-Z0-9_]{2,63}$")],
    version: Annotated[str, Form(max_length=32)],
    description: Annotated[str, Form(max_length=500)] = "",
    replace: Annotated[bool, Form(description="As in a confirmation.")] = False,
) -> PluginConfirmed:
    """The same checks as after a presigned upload."""
    with tempfile.TemporaryDirectory(prefix="upload-", dir=_uploads(state.settings.home_path)) as folder:
        archive = FilePath(folder) / f"{name}.zip"
        with archive.open("wb") as target:
            shutil.copyfileobj(file.file, target, 1 << 20)
        plugin = register_archive(view, state.stores, archive, name, version, description, replace=replace)
    state.graph.request()
    return PluginConfirmed.of(plugin, state.settings.s3_bucket)


def _uploads(home: FilePath) -> FilePath:
    folder = home / "uploads"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
