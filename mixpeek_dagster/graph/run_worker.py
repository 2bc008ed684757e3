"""Which process does the work of a run: said on the run itself, for whoever watches that it lives."""

from __future__ import annotations

import dagster as dg

WORKER_TAG = "mixpeek/worker"


def note_worker(instance: dg.DagsterInstance, run_id: str) -> None:
    """Say on a run which process does its work."""
    from mixpeek_dagster.processes.identity import ProcessIdentity

    instance.add_run_tags(run_id, {WORKER_TAG: str(ProcessIdentity.own())})
