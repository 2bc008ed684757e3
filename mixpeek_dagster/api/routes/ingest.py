"""Files into a bucket: where each is put, and the batch that they become. No file goes through the API."""

from __future__ import annotations

from fastapi import APIRouter

from mixpeek_dagster.api.access import HeaderWriter, State
from mixpeek_dagster.api.schemas.ingest import Ingested, IngestFiles, IngestPlan, PlanIngest, PutFile
from mixpeek_dagster.operations.ingest import finish_ingest, plan_ingest

router = APIRouter(prefix="/ingest", tags=["ingest"])


@router.post("/uploads", summary="Ask where to put files")
def plan_files(view: HeaderWriter, state: State, wanted: PlanIngest) -> IngestPlan:
    """A presigned URL for each file that is new or changed. PUT them all, then make the batch."""
    objects, seconds = state.stores.objects, wanted.presigned_url_expiration
    # Who calls from within this process writes with the installation's own key.
    presigned = state.trusted is None
    planned = plan_ingest(state.stores, view, wanted.bucket, [file.entry() for file in wanted.files])
    uploads = [
        PutFile(
            key=place.file.key,
            s3_key=place.s3_key,
            presigned_url=objects.upload_url(place.s3_key, seconds) if presigned else None,
        )
        for place in planned.places
    ]
    return IngestPlan(bucket_id=planned.bucket.bucket_id, uploads=uploads, unchanged=planned.unchanged)


@router.post("", status_code=201, summary="Make a batch of files that were put")
def ingest_files(view: HeaderWriter, state: State, wanted: IngestFiles) -> Ingested:
    """They become objects of the bucket and one batch, a partition in Dagster.

    S3 is asked for each that is new. The same files as in the bucket's newest batch are that batch.
    """
    batch = finish_ingest(state.stores, view, wanted.bucket, [file.entry() for file in wanted.files])
    state.graph.request()
    return Ingested(
        batch_id=batch.batch_id,
        bucket_id=batch.bucket_id,
        objects=batch.object_count,
        created_at=batch.created_at,
    )
