"""Addresses of clusters, and what a process without the right one is told."""

from __future__ import annotations

import pytest
import ray

from mixpeek_dagster.errors import SettingsError, StepError
from mixpeek_dagster.steps.ray.connection import connect, takes_jobs


@pytest.fixture(autouse=True)
def not_connected() -> None:
    """Leave the cluster of a test that ran before in this process."""
    ray.shutdown()


def test_only_http_addresses_take_jobs() -> None:
    assert [takes_jobs(a) for a in (None, "10.0.0.1:6379", "http://head:8265", "https://head")] == [
        False,
        False,
        True,
        True,
    ]


def test_ray_client_addresses_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"host:6379 on a node"):
        connect("ray://head:10001")


def test_a_process_that_is_no_job_cannot_drive_through_the_job_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(StepError, match="not one of its jobs"):
        connect("http://head:8265")
