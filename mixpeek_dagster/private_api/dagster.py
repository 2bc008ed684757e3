"""Dagster: why a run failed, whether its worker lives, and steps that run elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagster._core.events import RunFailureReason
from dagster._core.execution.retries import RetryMode
from dagster._core.executor.step_delegating import StepDelegatingExecutor, StepHandler, StepHandlerContext
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._core.storage.tags import PRIORITY_TAG, RUN_FAILURE_REASON_TAG

if TYPE_CHECKING:
    import dagster as dg
    from dagster._core.remote_representation.external_data import RepositorySnap

__all__ = [
    "PRIORITY_TAG",
    "RUN_FAILURE_REASON_TAG",
    "CheckRunHealthResult",
    "RetryMode",
    "RunFailureReason",
    "StepHandlerContext",
    "WorkerStatus",
    "delegate_steps",
    "snapshot",
]


def delegate_steps(handler: StepHandler) -> dg.Executor:
    """An executor that leaves each step to the handler, looks whether it lives, and tries it again as its op says."""
    return StepDelegatingExecutor(handler, retries=RetryMode.ENABLED, should_verify_step=True)


def snapshot(repository: dg.RepositoryDefinition) -> RepositorySnap:
    """What a code server sends of a repository to the UI, in its first answer."""
    from dagster._core.remote_representation.external_data import RepositorySnap

    return RepositorySnap.from_def(repository, defer_snapshots=True)
