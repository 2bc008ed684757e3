"""Runs as processes of this machine that are noticed when they die.

Dagster's own launcher starts them but never looks again: a run whose process was killed would stay "started" for ever,
and with it every later batch of its bucket would wait.
"""

from __future__ import annotations

import dagster as dg
from dagster import DefaultRunLauncher

from mixpeek_dagster.graph.run_worker import WORKER_TAG
from mixpeek_dagster.private_api.dagster import CheckRunHealthResult, WorkerStatus
from mixpeek_dagster.processes.identity import ProcessIdentity


class LocalRunLauncher(DefaultRunLauncher):
    """Dagster's default launcher, with an eye on the processes; `dagster.yaml` names it."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether the run's process is there. One that has not said yet who it is, or is elsewhere, counts as there."""
        said = run.tags.get(WORKER_TAG)
        worker = None if said is None else ProcessIdentity.from_text(said)
        if worker is not None and worker.is_gone:
            return CheckRunHealthResult(WorkerStatus.FAILED, f"process {worker.pid} of the run is gone")
        return CheckRunHealthResult(WorkerStatus.RUNNING)
