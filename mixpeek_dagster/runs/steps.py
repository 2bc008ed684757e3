"""One step of a plugin, over all rows of the flow: in this process, or on a Ray cluster."""

from __future__ import annotations

from typing import Any

from mixpeek_dagster.errors import StepError
from mixpeek_dagster.objects.spools import ObjectSpool
from mixpeek_dagster.plugins.assets import keep_assets
from mixpeek_dagster.plugins.pipeline import Step
from mixpeek_dagster.rows.rows import Rows, RowsWriter
from mixpeek_dagster.rows.spool import Spool
from mixpeek_dagster.runs.context import CollectionRun
from mixpeek_dagster.runs.flow import Flow, step_metadata
from mixpeek_dagster.runs.progress import report as report_progress
from mixpeek_dagster.steps.ray.step import run_step_on_cluster
from mixpeek_dagster.steps.ray.work import StepWork
from mixpeek_dagster.steps.runner import Progress, StepReport, run_step


def run_plugin_step(run: CollectionRun, name: str, flow: Flow) -> tuple[Flow, dict[str, Any]]:
    """Run the step and drop the rows it has consumed.

    Raises:
        PipelineError: the plugin has no step of this name any more.
        StepError: the cluster cannot run the step.
    """
    step = run.step(name)
    work = _on_cluster if run.settings.ray_address else _in_process
    with RowsWriter(run.spool(name), run.vectors, run.settings.chunk_rows) as writer:
        report = work(run, step, flow.rows, writer, lambda done, total: report_progress(name, done, total))
    flow.rows.delete()
    return flow.after(writer.rows(), report), step_metadata(report)


def _in_process(run: CollectionRun, step: Step, rows: Rows, writer: RowsWriter, progress: Progress) -> StepReport:
    assets = keep_assets(run.settings.spool_path / run.run_id / "assets", run.settings.asset_cache_bytes)
    with run.stores.serve_models(run.namespace.namespace_id):
        return run_step(
            step,
            rows,
            writer,
            batch_size=run.settings.batch_size,
            position_fields=run.spec.position_fields,
            coming=assets.expect,
            progress=progress,
        )


def _on_cluster(run: CollectionRun, step: Step, rows: Rows, writer: RowsWriter, progress: Progress) -> StepReport:
    settings = run.settings
    work = StepWork(
        plugin=run.stores.plugins.shipped(run.collection.plugin, run.spec.code_hash, run.spool_prefix),
        request=run.request,
        dataset_size=run.batch.object_count,
        step=step.name,
        run_id=run.run_id,
        bucket=settings.s3_bucket,
        source=_prefix(rows.spool),
        target=_prefix(writer.spool),
        vectors=run.vectors,
        batch_size=settings.batch_size,
        chunk_rows=settings.chunk_rows,
        position_fields=tuple(run.spec.position_fields),
        asset_cache_bytes=settings.asset_cache_bytes,
    )
    return run_step_on_cluster(step, work, rows, writer, settings, progress)


def _prefix(spool: Spool) -> str:
    if not isinstance(spool, ObjectSpool):
        why = "its rows are on the machine where the run began, before MIXPEEK_RAY_ADDRESS was set"
        raise StepError(f"rows of step {spool.name!r}", why=why, fix="Run the batch from its first step")
    return spool.prefix
