"""Models of a namespace: a presigned URL and a confirmation; then listing, warming, deleting."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from mixpeek_dagster.api.access import PathReader, PathRemover, PathWriter, Reader, State
from mixpeek_dagster.api.pages import WantedPage
from mixpeek_dagster.api.schemas.models import (
    CreateModelUpload,
    Model,
    ModelConfirmed,
    ModelDeleted,
    ModelDeployed,
    ModelList,
    ModelReply,
    PendingModelUpload,
    PendingModelUploads,
    PromisedModelUpload,
    StoredModel,
    StoredModels,
)
from mixpeek_dagster.api.schemas.plugin_uploads import ConfirmUpload
from mixpeek_dagster.operations.model_store import stored_models
from mixpeek_dagster.operations.models import (
    begin_model_upload,
    confirm_model_upload,
    delete_namespace_model,
    deploy_namespace_model,
)
from mixpeek_dagster.s3_url import S3Url

router = APIRouter(prefix="/namespaces/{namespace}/models", tags=["models"])
store = APIRouter(prefix="/model-store", tags=["models"])

_UploadId = Annotated[str, Path(description="Id of the upload.", examples=["upl_5f0c9a1b2c3d"])]
_ModelId = Annotated[str, Path(description="Id of the model.", examples=["my-fine-tuned-bert_1_0_0"])]


@router.post("/uploads", status_code=201, summary="Ask where to put a model's file")
def create_model_upload(view: PathWriter, state: State, wanted: CreateModelUpload) -> PromisedModelUpload:
    """The reply holds a presigned URL. PUT the file to it and confirm; before that there is no model."""
    upload, url = begin_model_upload(
        view,
        state.stores,
        wanted.name,
        wanted.version,
        wanted.model_format,
        description=wanted.description,
        size=wanted.file_size_bytes,
        seconds=wanted.presigned_url_expiration,
    )
    fields = upload.model_dump(include={"upload_id", "expires_at", "namespace_id", "name", "version"})
    return PromisedModelUpload(presigned_url=url, s3_key=upload.object_key, **fields)


@router.get("/uploads", summary="List uploads of models")
def list_model_uploads(view: PathReader) -> PendingModelUploads:
    """Uploads that wait for their file or their confirmation, and what became of the others."""
    found = view.model_uploads.newest_first()
    return PendingModelUploads(
        results=[PendingModelUpload.model_validate(upload.model_dump(mode="json")) for upload in found]
    )


@router.post("/uploads/{upload_id}/confirm", summary="Look at an uploaded file and enter the model")
def confirm_upload_of_model(
    view: PathWriter, state: State, upload_id: _UploadId, known: ConfirmUpload | None = None
) -> ModelConfirmed:
    """The weights are loaded in a process of their own; code is refused. Called again, it says the same."""
    known = known or ConfirmUpload()
    model = confirm_model_upload(view, state.stores, upload_id, etag=known.etag, size=known.file_size_bytes)
    return ModelConfirmed(
        upload_id=upload_id,
        model_id=model.model_id,
        content_hash=model.content_hash,
        model_archive_url=str(S3Url(state.settings.s3_bucket, model.object_key)),
        message=f'load_namespace_model("{model.model_id}") gives {model.tensors} tensors',
    )


@router.get("", summary="List models")
def list_models(view: PathReader, state: State, wanted: WantedPage) -> ModelList:
    """The namespace's models, by id."""
    found = view.models.find(view.id, skip=wanted.offset, limit=wanted.limit)
    cached = state.stores.namespace_models.cached
    models = [Model.of(model, state.settings.s3_bucket, cached(model)) for model in found]
    return ModelList(models=models, total=view.models.count(), namespace_id=view.id)


@store.get("", summary="List the model store")
def list_stored_models(tenant: Reader, state: State) -> StoredModels:
    """Models of the installation that steps can load by their ids, `org/name`, without the hub."""
    return StoredModels(models=[StoredModel.model_validate(model.to_dict()) for model in stored_models(state.stores)])


@router.get("/{model_id}", summary="One model")
def get_model(view: PathReader, state: State, model_id: _ModelId) -> ModelReply:
    """The record of an uploaded model, and whether the machine that answers has its files."""
    model = view.models.in_namespace(view.id, model_id)
    cached = state.stores.namespace_models.cached(model)
    return ModelReply(model=Model.of(model, state.settings.s3_bucket, cached))


@router.post("/{model_id}/deploy", summary="Fetch a model to this machine")
def deploy_model(view: PathWriter, state: State, model_id: _ModelId) -> ModelDeployed:
    """The first step that wants it need not wait. Machines that were not asked fetch it when a step wants it."""
    model = deploy_namespace_model(view, state.stores, model_id)
    message = f"model {model_id} is on this machine ({model.bytes:,} bytes)"
    return ModelDeployed(model_id=model_id, namespace_id=view.id, message=message)


@router.delete("/{model_id}", summary="Delete a model")
def remove_model(view: PathRemover, state: State, model_id: _ModelId) -> ModelDeleted:
    """Steps that load it afterwards fail; those that hold it go on."""
    delete_namespace_model(view, state.stores, model_id)
    return ModelDeleted(model_id=model_id, message=f"model {model_id} was deleted")
