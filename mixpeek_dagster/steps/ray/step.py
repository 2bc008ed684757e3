"""A step over all rows on a Ray cluster: Ray Data hands pieces of the rows to a pool of workers."""

from __future__ import annotations

import logging
import pickle
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from mixpeek_dagster.errors import MixpeekError, StepError
from mixpeek_dagster.plugins.pipeline import Step
from mixpeek_dagster.private_api.ray import most_resources
from mixpeek_dagster.rows.rows import Rows, RowsWriter
from mixpeek_dagster.settings import Settings
from mixpeek_dagster.steps.ray.connection import connect
from mixpeek_dagster.steps.ray.needs import Cluster, Pool, pool_of, step_needs
from mixpeek_dagster.steps.ray.pieces import Piece, cut_into_pieces, most_pieces
from mixpeek_dagster.steps.ray.work import PartReport, StepWork
from mixpeek_dagster.steps.ray.worker import StepWorker
from mixpeek_dagster.steps.runner import Progress, StepReport

_TRIES = 4
"""How often a piece is tried whose worker dies; one that kills every worker must not be tried for ever."""
_IN_HAND = 2
"""Pieces that a worker has at a time: one is processed while the next is read or the last is written."""


def run_step_on_cluster(
    step: Step, work: StepWork, rows: Rows, writer: RowsWriter, settings: Settings, progress: Progress | None = None
) -> StepReport:
    """Run a step over spooled rows on the cluster of the settings; the same rows and report as of `run_step`.

    Args:
        step: what to run, as this process knows it.
        work: the same for the workers.
        rows: where from.
        writer: where to; entered by the caller.
        settings: the cluster's address, and what workers may claim.
        progress: called with rows done and rows in all, a piece at a time.

    Raises:
        StepError: the cluster cannot run the step, or its workers died again and again.
        MixpeekError: what a worker raised.
    """
    started = time.monotonic()
    if not rows.parts:
        return StepReport.of(step, [], time.monotonic() - started)
    ray = connect(str(settings.ray_address))
    pool = pool_of(step.name, step_needs(step, settings), _cluster(ray), most_pieces(rows), settings.ray_workers)
    pieces = cut_into_pieces(rows, pool.size)
    found: dict[int, PartReport] = {}
    done = 0
    for number, result in _results(step.name, work, pieces, pool):
        if isinstance(result, MixpeekError):
            raise result
        found[number] = result
        done += result.chunk.rows_in
        if progress is not None:
            progress(done, rows.count)
    reports = [found[number] for number in range(len(pieces))]
    for report in reports:
        writer.add_parts(report.parts, report.chunk.rows_out)
    return StepReport.of(step, [report.chunk for report in reports], time.monotonic() - started)


def _results(
    name: str, work: StepWork, pieces: Sequence[Piece], pool: Pool
) -> Iterator[tuple[int, PartReport | MixpeekError]]:
    import ray.exceptions

    lost = (ray.exceptions.RayActorError, ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError)
    try:
        for row in _dataset(work, pieces, pool).iter_rows():
            yield row["number"], pickle.loads(row["result"])  # noqa: S301 - a worker of ours wrote it
    except lost as error:
        why = f"workers died {_TRIES} times on the same rows: {' '.join(str(error).split())[:300]}"
        fix = "If memory ran out, lower MIXPEEK_BATCH_SIZE or MIXPEEK_CHUNK_ROWS; else see Ray's log of the worker"
        raise StepError(f"step {name!r} on the Ray cluster", why=why, fix=fix) from None


def _dataset(work: StepWork, pieces: Sequence[Piece], pool: Pool) -> Any:
    import ray.data

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    items = [{"number": number, **asdict(piece)} for number, piece in enumerate(pieces)]
    strategy = ray.data.ActorPoolStrategy(
        min_size=1,
        max_size=pool.size,
        initial_size=pool.size,
        max_tasks_in_flight_per_actor=_IN_HAND,
        max_concurrent_calls_per_actor=_IN_HAND,
        enable_true_multi_threading=True,
    )
    with warnings.catch_warnings():
        # Ray will drop ray_remote_args_fn and has nothing else yet that limits how often a task is tried.
        warnings.simplefilter("ignore", DeprecationWarning)
        return ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
            StepWorker,
            fn_constructor_args=(work, pool.threads),
            batch_size=1,
            batch_format="pyarrow",
            compute=strategy,
            num_cpus=pool.claimed,
            num_gpus=pool.needs.gpus,
            ray_remote_args_fn=_survive_deaths,
        )


def _survive_deaths() -> dict[str, int]:
    return {"max_restarts": -1, "max_task_retries": _TRIES - 1}


def _cluster(ray: Any) -> Cluster:
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return Cluster(nodes, most_resources())
