"""What a run leaves in the catalog: the task's status and the batch's ledger per collection."""

from __future__ import annotations

from collections.abc import Iterable

from mixpeek_dagster.catalog.records import TaskStatus
from mixpeek_dagster.rows.failures import RowFailure
from mixpeek_dagster.rows.ledger import Ledger
from mixpeek_dagster.runs.checks import Grade, Verdict
from mixpeek_dagster.runs.context import CollectionRun


def record_start(run: CollectionRun) -> None:
    """The task is in progress from the first op on."""
    run.stores.catalog.tasks.start(
        task_id=task_id(run),
        namespace_id=run.namespace.namespace_id,
        batch_id=run.batch.batch_id,
        collection_id=run.collection.collection_id,
        run_id=run.run_id,
    )


def record_end(
    run: CollectionRun, ledger: Ledger, status: TaskStatus, failures: Iterable[RowFailure], verdicts: Iterable[Verdict]
) -> None:
    """The task ends as the checks judged it; nothing else ever sets COMPLETED."""
    errors = [failure.to_dict() for failure in failures]
    reasons = [f"{v.check.value}: {v.message}" for v in verdicts if v.grade is not Grade.PASS]
    counters = ledger.counters()
    run.stores.catalog.tasks.finish(task_id(run), status, counters, errors, "; ".join(reasons))
    run.stores.catalog.batches.record_tier(
        run.batch.batch_id,
        run.collection.collection_id,
        {"status": status.value, "run_id": run.run_id, "counters": counters, "reasons": reasons},
    )


def task_id(run: CollectionRun) -> str:
    """One task per collection and run."""
    return f"task_{run.run_id.replace('-', '')[:20]}_{run.collection.collection_id.rpartition('_')[2]}"
