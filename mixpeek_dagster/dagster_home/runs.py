"""Runs started from this process, recorded in the same Dagster instance that the UI shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dagster as dg

from mixpeek_dagster.dagster_home.graphql import PARTITION_TAG
from mixpeek_dagster.dagster_home.outcome import CheckOutcome, RunOutcome
from mixpeek_dagster.graph import names
from mixpeek_dagster.graph.blobs import blobs_asset
from mixpeek_dagster.graph.collection import Compilable, collection_job, compile_collection, recompute_config
from mixpeek_dagster.graph.repository import definitions
from mixpeek_dagster.migrations.dagster_yaml import is_earlier
from mixpeek_dagster.settings import Settings
from mixpeek_dagster.steps.ray.connection import takes_jobs

DAGSTER_YAML = f"""\
telemetry:
  enabled: false
nux:
  enabled: false
# A run whose process died fails within seconds, so that its batch is tried again.
run_launcher:
  module: mixpeek_dagster.dagster_home.run_launcher
  class: LocalRunLauncher
run_monitoring:
  enabled: true
  poll_interval_seconds: 10
  start_timeout_seconds: 60
  max_resume_run_attempts: 0
# One batch of a bucket at a time, in the order in which they were made; buckets go side by side.
concurrency:
  runs:
    max_concurrent_runs: 4
    tag_concurrency_limits:
      - key: {names.BUCKET_TAG}
        value:
          applyLimitPerUniqueValue: true
        limit: 1
"""
_MOST_ADDED = 500
_CODE_LOCATION = "mixpeek_dagster.definitions"
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """The Dagster instance under the home folder; a `dagster.yaml` that somebody has changed is left alone."""
    home = settings.dagster_home
    home.mkdir(parents=True, exist_ok=True)
    config = home / "dagster.yaml"
    if not config.exists() or is_earlier(config.read_text(encoding="utf-8")):
        config.write_text(DAGSTER_YAML, encoding="utf-8")
    return dg.DagsterInstance.from_config(str(home))


def add_batch(instance: dg.DagsterInstance, namespace: str, bucket: str, batch_id: str) -> None:
    """Make a batch known to Dagster as a partition of its bucket; a second time changes nothing."""
    add_batches(instance, namespace, bucket, [batch_id])


def add_batches(instance: dg.DagsterInstance, namespace: str, bucket: str, batch_ids: Sequence[str]) -> None:
    """Make batches known to Dagster, a few at a time: sqlite takes only so many in one statement."""
    for start in range(0, len(batch_ids), _MOST_ADDED):
        chunk = batch_ids[start : start + _MOST_ADDED]
        instance.add_dynamic_partitions(names.partitions_name(namespace, bucket), list(chunk))


def materialize(
    instance: dg.DagsterInstance,
    settings: Settings,
    item: Compilable,
    batch_id: str,
    *,
    blobs: bool,
    recompute: bool = False,
) -> RunOutcome:
    """Run one batch through one collection in this process.

    Args:
        blobs: also read the bucket's blobs anew; else the kept ones are used.
        recompute: run the steps on unchanged rows, too.
    """
    namespace, collection = item.namespace.address, item.collection.collection_name
    selection = [names.features_key(namespace, collection), names.documents_key(namespace, collection)]
    if blobs:
        selection.insert(0, names.blobs_key(namespace, item.bucket.bucket_name))
    config = _QUIET | (recompute_config(namespace, [item.collection]) if recompute else {})
    return materialize_assets(instance, settings, item, batch_id, selection, config)


def materialize_blobs(instance: dg.DagsterInstance, settings: Settings, item: Compilable, batch_id: str) -> RunOutcome:
    """Read one batch of a bucket in this process."""
    key = names.blobs_key(item.namespace.address, item.bucket.bucket_name)
    return materialize_assets(instance, settings, item, batch_id, [key])


def blobs_kept(instance: dg.DagsterInstance, item: Compilable, batch_id: str) -> bool:
    """Whether the bucket's blobs of this batch are materialized."""
    key = names.blobs_key(item.namespace.address, item.bucket.bucket_name)
    return batch_id in instance.get_materialized_partitions(key)


def materialize_assets(
    instance: dg.DagsterInstance,
    settings: Settings,
    item: Compilable,
    batch_id: str,
    selection: list[dg.AssetKey],
    run_config: dict[str, Any] = _QUIET,
) -> RunOutcome:
    """Run some of a collection's assets for one batch: in this process, or each step as a job of a Ray cluster."""
    if takes_jobs(settings.ray_address):
        return _outcome(_run_as_jobs(instance, item, batch_id, selection, run_config))
    job = collection_job(item)
    assets = [blobs_asset(item.namespace, item.bucket), *compile_collection(item)]
    result = (
        definitions(assets, [job], settings)
        .resolve_job_def(job.name)
        .execute_in_process(
            instance=instance,
            partition_key=batch_id,
            asset_selection=selection,
            raise_on_error=False,
            run_config=run_config,
        )
    )
    return _outcome(result)


def _run_as_jobs(
    instance: dg.DagsterInstance,
    item: Compilable,
    batch_id: str,
    selection: list[dg.AssetKey],
    run_config: dict[str, Any],
) -> dg.ExecutionResult:
    """The same run with the collection's job as the code location has it, since each step's process looks it up."""
    name = names.job_name(item.namespace.address, item.collection.collection_name)
    job = dg.build_reconstructable_job(_CODE_LOCATION, "job", (name,))
    tags = {PARTITION_TAG: batch_id}
    return dg.execute_job(job, instance, run_config=run_config, tags=tags, asset_selection=selection)


def _outcome(result: dg.ExecutionResult) -> RunOutcome:
    checks = [
        CheckOutcome(check.check_name, check.passed, check.severity.value, check.description or "")
        for check in result.get_asset_check_evaluations()
    ]
    errors = [_reason(event) for event in result.get_step_failure_events()]
    return RunOutcome(result.run_id, result.success, tuple(checks), error="\n".join(errors) or None)


def _reason(event: dg.DagsterEvent) -> str:
    data = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return data.user_failure_data.description
    return f"step {event.step_key}: {data.error.message.strip() if data.error else 'failed'}"
