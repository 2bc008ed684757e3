"""Where ops run: in the run worker's process, or each as a job of a Ray cluster."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence

import dagster as dg

from mixpeek_dagster.errors import SettingsError
from mixpeek_dagster.settings import Reader, Settings
from mixpeek_dagster.steps.ray.connection import takes_jobs

JOB_TAGS: Mapping[str, dict[str, float]] = {"dagster-ray/config": {"num_cpus": 0.1}}
"""Tags of ops that work in their own process: as jobs they go to any node that has this left.

A plugin's step has no such tag. Its job only hands out parts to workers, which claim what they need, so it runs on the
head node and takes nothing from them.
"""


def step_executor(settings: Settings) -> dg.ExecutorDefinition:
    """The executor for the cluster of the settings, or for none."""
    if not takes_jobs(settings.ray_address):
        return dg.in_process_executor
    return _ray_jobs(
        str(settings.ray_address),
        tuple(f"{name}={value}" for name, value in settings.variables(Reader.STEP_JOB).items()),
    )


def in_step_job() -> bool:
    """Whether this process is a job that runs one step of a run, and not the run's own process."""
    return "DAGSTER_RUN_STEP_KEY" in os.environ


@functools.cache
def _ray_jobs(address: str, variables: Sequence[str]) -> dg.ExecutorDefinition:
    # Cached: Dagster refuses to merge definitions that bring different executors.
    try:
        from mixpeek_dagster.graph.ray_executor import ray_jobs_executor
    except ImportError as error:
        fix = "pip install 'mixpeek-dagster[ray]'"
        raise SettingsError("MIXPEEK_RAY_ADDRESS", why=f"dagster-ray is not installed: {error}", fix=fix) from None
    return ray_jobs_executor(address, variables)
