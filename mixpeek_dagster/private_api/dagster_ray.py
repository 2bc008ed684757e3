"""dagster-ray: what submits a step to a cluster as a job, without the executor around it."""

from __future__ import annotations

from dagster_ray.core.executor import RayStepHandler

__all__ = ["RayStepHandler"]
