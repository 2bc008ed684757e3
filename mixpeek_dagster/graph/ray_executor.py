"""dagster-ray's executor with our cluster: each op is a job that runs on one of its nodes."""

# No postponed annotations here: Dagster reads those of executors.

from collections.abc import Iterator, Sequence

import dagster as dg

from mixpeek_dagster.graph.run_worker import note_worker
from mixpeek_dagster.private_api.dagster import StepHandlerContext, delegate_steps
from mixpeek_dagster.private_api.dagster_ray import RayStepHandler
from mixpeek_dagster.steps.ray.jobs import job_client


def ray_jobs_executor(address: str, variables: Sequence[str]) -> dg.ExecutorDefinition:
    """The executor that submits each op to the job server at an address, with variables as `NAME=value`."""

    @dg.executor(name="ray_jobs", requirements=dg.multiple_process_executor_requirements())
    def ray_jobs(context: dg.InitExecutorContext) -> dg.Executor:
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
        return delegate_steps(handler)

    return ray_jobs


class StepJobs(RayStepHandler):
    """dagster-ray's handler; it runs in the run's own process, and says so on the run."""

    _noted = False

    def launch_step(self, step_handler_context: StepHandlerContext) -> Iterator[dg.DagsterEvent]:
        """Note the run's worker before its first step, then submit."""
        if not self._noted:
            note_worker(step_handler_context.instance, step_handler_context.dagster_run.run_id)
            self._noted = True
        return super().launch_step(step_handler_context)
