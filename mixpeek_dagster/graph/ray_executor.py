"""dagster-ray's executor with our cluster: each op is a job that runs on one of its nodes."""

# No postponed annotations here: Dagster reads those of executors.

from collections.abc import Iterator, Sequence

import dagster as dg
from dagster._core.definitions.executor_definition import multiple_process_executor_requirements
from dagster._core.execution.retries import RetryMode
from dagster._core.executor.base import Executor
from dagster._core.executor.init import InitExecutorContext
from dagster._core.executor.step_delegating import StepDelegatingExecutor, StepHandlerContext
from dagster_ray.core.executor import RayStepHandler

from mixpeek_dagster.graph.run_worker import note_worker
from mixpeek_dagster.steps.ray.jobs import job_client


def ray_jobs_executor(address: str, variables: Sequence[str]) -> dg.ExecutorDefinition:
    """The executor that submits each op to the job server at an address, with variables as `NAME=value`."""

    @dg.executor(
        name="ray_jobs",
        requirements=multiple_process_executor_requirements(),
    )
    def ray_jobs(context: InitExecutorContext) -> Executor:
        """Steps are jobs of a Ray cluster; workers find the stores by the variables of their node."""
        handler = StepJobs(
            client=job_client(address),
            env_vars=list(variables),
            runtime_env=None,
            num_cpus=None,
            num_gpus=None,
            memory=None,
            resources=None,
        )
        return StepDelegatingExecutor(handler, retries=RetryMode.ENABLED, should_verify_step=True)

    return ray_jobs


class StepJobs(RayStepHandler):
    """dagster-ray's handler; it runs in the run's own process, and says so on the run."""

    _noted = False

    def launch_step(self, step_handler_context: StepHandlerContext) -> Iterator[dg.DagsterEvent]:
        """Submit a step as a job."""
        if not self._noted:
            note_worker(step_handler_context.instance, step_handler_context.dagster_run.run_id)
            self._noted = True
        return super().launch_step(step_handler_context)
