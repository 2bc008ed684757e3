"""Runs whose process died are noticed."""

from __future__ import annotations

import socket
import subprocess
import sys

import dagster as dg
import psutil
import pytest

from mixpeek_dagster.dagster_home.run_launcher import LocalRunLauncher
from mixpeek_dagster.dagster_home.runs import open_instance
from mixpeek_dagster.graph.run_worker import WORKER_TAG, note_worker
from mixpeek_dagster.private_api.dagster import WorkerStatus
from tests.runs.conftest import World, make_settings, make_world, world

__all__ = ["make_settings", "make_world", "world"]


def health(worker: str | None) -> WorkerStatus:
    run = dg.DagsterRun(job_name="job", tags={WORKER_TAG: worker} if worker else {})
    return LocalRunLauncher().check_run_worker_health(run).status


def test_a_live_process_is_running() -> None:
    own = psutil.Process()
    assert health(f"{socket.gethostname()}:{own.pid}:{own.create_time():.2f}") is WorkerStatus.RUNNING


def test_a_dead_process_and_another_of_its_number_have_failed() -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    started = psutil.Process(child.pid).create_time()
    child.wait()
    assert health(f"{socket.gethostname()}:{child.pid}:{started:.2f}") is WorkerStatus.FAILED
    assert health(f"{socket.gethostname()}:{psutil.Process().pid}:1.00") is WorkerStatus.FAILED


@pytest.mark.parametrize("worker", [None, "elsewhere:1:1.00"])
def test_what_cannot_be_known_counts_as_running(worker: str | None) -> None:
    assert health(worker) is WorkerStatus.RUNNING


def test_a_run_says_which_process_does_its_work(world: World) -> None:
    run = world.instance.create_run_for_job(dg.GraphDefinition(name="empty").to_job())
    note_worker(world.instance, run.run_id)
    noted = world.instance.get_run_by_id(run.run_id)
    assert noted is not None
    assert LocalRunLauncher().check_run_worker_health(noted).status is WorkerStatus.RUNNING


def test_the_instance_uses_it_and_looks_after_runs(world: World) -> None:
    with open_instance(world.settings) as instance:
        assert isinstance(instance.run_launcher, LocalRunLauncher)
        assert instance.run_monitoring_enabled
