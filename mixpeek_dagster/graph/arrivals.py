"""Sensors that look for arrivals, and the job that takes a batch through every collection of its bucket."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import dagster as dg
from dagster import DagsterRunStatus, RunsFilter

from mixpeek_dagster.catalog.records import Batch, Bucket, Namespace, RunScope
from mixpeek_dagster.graph import names
from mixpeek_dagster.graph.aws import open_stores, queue_client
from mixpeek_dagster.graph.blobs import partitions
from mixpeek_dagster.graph.collection import Compilable, recompute_config
from mixpeek_dagster.private_api.dagster import PRIORITY_TAG, RUN_FAILURE_REASON_TAG, RunFailureReason
from mixpeek_dagster.settings import Settings

if TYPE_CHECKING:
    from mixpeek_dagster.ingest.tick import RunState, Tick

_DESCRIPTION = """Looks at `{location}` every {seconds} s: objects that landed, changed or went become batches, and each
batch a run through all collections that the bucket feeds."""
_MOST_RUNS = 10
_FAILED_BY_ITSELF = frozenset(
    {
        RunFailureReason.STEP_FAILURE.value,
        RunFailureReason.RUN_EXCEPTION.value,
        RunFailureReason.JOB_INITIALIZATION_FAILURE.value,
    }
)
"""Dagster says why a run failed on the run; it says nothing, or another reason, of one whose process was lost."""


def batch_job(namespace: Namespace, bucket: Bucket, items: Sequence[Compilable]) -> dg.UnresolvedAssetJobDefinition:
    """One batch of a bucket through all its collections; the edges between them are the tiers."""
    keys = [names.blobs_key(namespace.address, bucket.bucket_name)]
    for item in items:
        collection = item.collection.collection_name
        keys += [names.features_key(namespace.address, collection), names.documents_key(namespace.address, collection)]
    fed = ", ".join(item.collection.collection_name for item in items)
    return dg.define_asset_job(
        names.batch_job_name(namespace.address, bucket.bucket_name),
        selection=dg.AssetSelection.assets(*keys),
        description=f"One batch of {bucket.bucket_name} through {fed}.",
        tags={names.BUCKET_TAG: f"{namespace.address}/{bucket.bucket_name}"},
    )


def arrivals_sensor(namespace: Namespace, bucket: Bucket, items: Sequence[Compilable]) -> dg.SensorDefinition:
    """The sensor of a bucket whose arrivals are taken up by themselves."""
    sync = bucket.sync
    seconds = sync.tick_seconds if sync else 10

    def evaluate(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        from mixpeek_dagster.ingest.tick import look

        settings = Settings.load()
        with open_stores(settings) as stores:
            now = stores.catalog.buckets.get(bucket.bucket_id)
            tick = look(
                stores.catalog,
                stores.objects,
                now,
                run_state=lambda batch: run_state(context.instance, batch),
                queue=lambda: queue_client(settings),
            )
            _retire(context.instance, namespace, bucket, tick.retired)
            stores.catalog.batches.record_retired(tick.retired)
        context.log.info(tick.summary())
        return _result(context.instance, namespace, bucket, items, tick)

    return dg.SensorDefinition(
        name=names.arrivals_name(namespace.address, bucket.bucket_name),
        evaluation_fn=evaluate,
        job_name=names.batch_job_name(namespace.address, bucket.bucket_name),
        minimum_interval_seconds=seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=_DESCRIPTION.format(location=bucket.location, seconds=seconds),
        tags={names.BUCKET_TAG: f"{namespace.address}/{bucket.bucket_name}"},
    )


def attempt_name(batch: Batch) -> str:
    """Names a batch's present attempt: the run key, which Dagster runs at most once."""
    return f"{batch.batch_id}.{batch.attempt}"


def run_state(instance: dg.DagsterInstance, batch: Batch) -> RunState:
    """How the run of a batch's present attempt stands."""
    from mixpeek_dagster.ingest.tick import RunState

    runs = instance.get_runs(RunsFilter(tags={names.BATCH_TAG: attempt_name(batch)}), limit=1)
    if not runs:
        return RunState.ABSENT
    run = runs[0]
    if not run.is_finished:
        return RunState.UNDER_WAY
    if run.status is DagsterRunStatus.SUCCESS:
        return RunState.SUCCEEDED
    lost = run.status is DagsterRunStatus.FAILURE and run.tags.get(RUN_FAILURE_REASON_TAG) not in _FAILED_BY_ITSELF
    return RunState.INTERRUPTED if lost else RunState.FAILED


def _retire(instance: dg.DagsterInstance, namespace: Namespace, bucket: Bucket, batch_ids: Sequence[str]) -> None:
    """Take old batches off the list of partitions, which makes Dagster slow when it has no end."""
    name = names.partitions_name(namespace.address, bucket.bucket_name)
    for batch_id in batch_ids:
        instance.delete_dynamic_partition(name, batch_id)


def _result(
    instance: dg.DagsterInstance, namespace: Namespace, bucket: Bucket, items: Sequence[Compilable], tick: Tick
) -> dg.SensorResult | dg.SkipReason:
    to_run = tick.to_run[:_MOST_RUNS]
    if not to_run:
        return dg.SkipReason(tick.summary())
    batches = partitions(namespace.address, bucket.bucket_name)
    return dg.SensorResult(
        run_requests=list(_requests(instance, namespace, bucket, items, to_run)),
        dynamic_partitions_requests=[batches.build_add_request([batch.batch_id for batch in to_run])],
    )


def _requests(
    instance: dg.DagsterInstance,
    namespace: Namespace,
    bucket: Bucket,
    items: Sequence[Compilable],
    batches: Sequence[Batch],
) -> Iterator[dg.RunRequest]:
    everything = recompute_config(namespace.address, [item.collection for item in items])
    for batch in batches:
        yield dg.RunRequest(
            run_key=attempt_name(batch),
            partition_key=batch.batch_id,
            run_config=everything if batch.scope is RunScope.ALL else {},
            asset_selection=unwritten(instance, namespace, items, batch) if batch.scope is RunScope.WRITES else None,
            tags={
                names.BATCH_TAG: attempt_name(batch),
                names.BUCKET_TAG: f"{namespace.address}/{bucket.bucket_name}",
                PRIORITY_TAG: str(bucket.sync.priority if bucket.sync else 0),
                "mixpeek/objects": str(batch.object_count),
                "mixpeek/removed": str(batch.removed_count),
            },
        )


def unwritten(
    instance: dg.DagsterInstance, namespace: Namespace, items: Sequence[Compilable], batch: Batch
) -> list[dg.AssetKey]:
    """The documents of each collection, and the features of those that have none kept of this batch."""
    keys: list[dg.AssetKey] = []
    for item in items:
        collection = item.collection.collection_name
        features = names.features_key(namespace.address, collection)
        if batch.batch_id not in instance.get_materialized_partitions(features):
            keys.append(features)
        keys.append(names.documents_key(namespace.address, collection))
    return keys
