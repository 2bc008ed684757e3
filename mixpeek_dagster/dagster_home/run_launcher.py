"""Runs as processes of this machine that are noticed when they die.

Dagster's own launcher starts them but never looks again: a run whose process was killed would stay "started" for ever,
and with it every later batch of its bucket would wait.
"""

from __future__ import annotations

import socket

import dagster as dg
import psutil
from dagster import DefaultRunLauncher

from mixpeek_dagster.graph.run_worker import WORKER_TAG
from mixpeek_dagster.private_api.dagster import CheckRunHealthResult, WorkerStatus


class LocalRunLauncher(DefaultRunLauncher):
    """Dagster's default launcher, with an eye on the processes; `dagster.yaml` names it."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """It does."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether the run's process is there. One that has not said yet who it is, or is elsewhere, counts as there."""
        worker = run.tags.get(WORKER_TAG)
        if worker is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        host, pid, started = worker.rsplit(":", 2)
        if host != socket.gethostname():
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        try:
            alive = f"{psutil.Process(int(pid)).create_time():.2f}" == started
        except psutil.NoSuchProcess:
            alive = False
        if alive:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, f"process {pid} of the run is gone")
