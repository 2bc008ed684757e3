"""One step of a plugin, over all rows of the flow."""

from __future__ import annotations

from typing import Any

from mixpeek_dagster.engine.rows import RowsWriter
from mixpeek_dagster.engine.runner import run_step
from mixpeek_dagster.plugins.assets import keep_assets
from mixpeek_dagster.runs.context import CollectionRun
from mixpeek_dagster.runs.flow import Flow, step_metadata
from mixpeek_dagster.runs.progress import report as report_progress


def run_plugin_step(run: CollectionRun, name: str, flow: Flow) -> tuple[Flow, dict[str, Any]]:
    """Run the step and drop the rows it has consumed.

    Raises:
        PipelineError: the plugin has no step of this name any more.
    """
    step = run.step(name)
    assets = keep_assets(run.settings.spool_path / run.run_id / "assets", run.settings.asset_cache_bytes)
    models = run.stores.serve_models(run.namespace.namespace_id)
    with models, RowsWriter(run.spool / name, run.vectors, run.settings.chunk_rows) as writer:
        report = run_step(
            step,
            flow.rows,
            writer,
            batch_size=run.settings.batch_size,
            position_fields=run.spec.position_fields,
            coming=assets.expect,
            progress=lambda done, total: report_progress(name, done, total),
        )
    flow.rows.delete()
    return flow.after(writer.rows(), report), step_metadata(report)
