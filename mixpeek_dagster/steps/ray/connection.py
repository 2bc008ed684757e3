"""The connection of this process to a Ray cluster."""

from __future__ import annotations

import os
from typing import Any

from mixpeek_dagster.errors import SettingsError, StepError, StoreUnavailable

JOB_ADDRESS = "RAY_ADDRESS"
"""Ray tells a job's process in this variable where its cluster is."""


def takes_jobs(address: str | None) -> bool:
    """Whether an address is a cluster's job server, to which each step is submitted as a job of its own."""
    return address is not None and address.startswith(("http://", "https://"))


def connect(address: str) -> Any:
    """Make this process a driver of the cluster, unless it is one already, and give the module `ray`.

    Args:
        address: `host:6379` on a node of the cluster; `http(s)://host:8265` inside one of its jobs.

    Raises:
        SettingsError: it is no such address, or the cluster wants a token that this process does not have.
        StepError: the cluster takes jobs, and this process is none.
        StoreUnavailable: the cluster does not answer, or this machine is not one of its nodes.
    """
    ray = _import_ray()
    if ray.is_initialized():
        return ray
    place = _driver_address(address)
    try:
        # Without an address, Ray would join whatever cluster runs on this machine.
        ray.init(address=place, logging_level="warning")
    except ray.exceptions.AuthenticationError:
        why = "it wants a token, and this process has none or another one"
        raise SettingsError(f"Ray cluster {address}", why=why, fix=TOKEN_FIX) from None
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        why = " ".join(str(error).split())[:300]
        fix = "Start it, run this on one of its nodes, or give the http:// address of its job server. "
        raise StoreUnavailable(
            f"Ray cluster {address}", why=why, fix=f"{fix}If it wants a token: {TOKEN_FIX}"
        ) from None
    return ray


TOKEN_FIX = "Set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN (or RAY_AUTH_TOKEN_PATH) as on the cluster's nodes"


def _import_ray() -> Any:
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        fix = "pip install 'mixpeek-dagster[ray]'"
        raise SettingsError("MIXPEEK_RAY_ADDRESS", why=f"Ray is not installed: {error}", fix=fix) from None
    return ray


def _driver_address(address: str) -> str:
    if not takes_jobs(address):
        if "://" in address:
            fix = "Use http(s)://host:8265, the job server, or host:6379 on a node of the cluster"
            raise SettingsError(f"MIXPEEK_RAY_ADDRESS={address}", why="steps cannot be driven through it", fix=fix)
        return address
    if JOB_ADDRESS not in os.environ:
        fix = "Start the run from Dagster, or set MIXPEEK_RAY_ADDRESS to host:6379 on a node of the cluster"
        raise StepError(f"a step on Ray cluster {address}", why="this process is not one of its jobs", fix=fix)
    return os.environ[JOB_ADDRESS]
