"""What we use of other libraries beyond what they promise: each breaks here first, and says what to turn to."""

from __future__ import annotations

import inspect
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import dagster as dg
import pytest
from qdrant_client import QdrantClient, models

from mixpeek_dagster.embedded import EmbeddedStores
from mixpeek_dagster.private_api.qdrant import put_points


@contextmanager
def contract(distribution: str, name: str, *, used_for: str, instead: str) -> Iterator[None]:
    """Fail with what broke, what it was used for and what replaces it."""
    try:
        yield
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        pytest.fail(
            f"{distribution} {version(distribution)} has another {name} than we know ({reason}). "
            f"It was used for {used_for}. Instead: {instead}.",
            pytrace=False,
        )


def parameters(function: Any) -> list[str]:
    return list(inspect.signature(function).parameters)


def test_a_broken_contract_says_what_to_do() -> None:
    with (
        pytest.raises(pytest.fail.Exception, match=r"dagster .* no_such_name .*used for nothing. Instead: dg.Run."),
        contract("dagster", "no_such_name", used_for="nothing", instead="dg.Run"),
    ):
        dg.no_such_name  # noqa: B018


def test_dagster_run_failure_reasons() -> None:
    with contract(
        "dagster",
        "RunFailureReason and its tag",
        used_for="telling a run that failed by itself from one whose process was lost, which is tried again",
        instead="the run's own failure event: DagsterInstance.all_logs(run_id, of_type=DagsterEventType.RUN_FAILURE)",
    ):
        from mixpeek_dagster.private_api.dagster import RUN_FAILURE_REASON_TAG, RunFailureReason

        with dg.DagsterInstance.ephemeral() as instance:
            result = _failing_job().execute_in_process(instance=instance, raise_on_error=False)
            run = instance.get_run_by_id(result.run_id)
            assert run is not None
            assert run.tags[RUN_FAILURE_REASON_TAG] == RunFailureReason.STEP_FAILURE.value
        assert {"RUN_EXCEPTION", "JOB_INITIALIZATION_FAILURE"} <= {reason.value for reason in RunFailureReason}


def test_dagster_priority_tag() -> None:
    with contract(
        "dagster",
        "PRIORITY_TAG",
        used_for="letting one bucket's batches go first in the queue of runs",
        instead="the tag's text, which Dagster's documentation of run priorities gives: \"dagster/priority\"",
    ):
        from mixpeek_dagster.private_api.dagster import PRIORITY_TAG

        assert PRIORITY_TAG == "dagster/priority"


def test_dagster_run_worker_health() -> None:
    with contract(
        "dagster",
        "CheckRunHealthResult",
        used_for="saying of a run whether its process lives (LocalRunLauncher)",
        instead="dg.DefaultRunLauncher as it is, and a sensor of ours that ends runs whose process is gone",
    ):
        from mixpeek_dagster.private_api.dagster import CheckRunHealthResult, WorkerStatus

        assert CheckRunHealthResult(WorkerStatus.FAILED, "gone").msg == "gone"
        assert parameters(dg.DefaultRunLauncher.check_run_worker_health) == ["self", "run"]
        assert "supports_check_run_worker_health" in dir(dg.DefaultRunLauncher)


def test_dagster_steps_that_run_elsewhere() -> None:
    with contract(
        "dagster",
        "StepDelegatingExecutor",
        used_for="running each op of a run as a job of a Ray cluster",
        instead="dagster-ray's own executor, dagster_ray.ray_executor, with its settings written out",
    ):
        from mixpeek_dagster.graph.ray_executor import StepJobs
        from mixpeek_dagster.private_api.dagster import StepHandlerContext, delegate_steps

        nothing: Any = None
        handler = StepJobs(nothing, [], None, None, None, None, None)
        assert isinstance(delegate_steps(handler), dg.Executor)
        assert {"instance", "dagster_run", "execute_step_args"} <= set(dir(StepHandlerContext))


def test_dagster_ray_step_handler() -> None:
    with contract(
        "dagster-ray",
        "RayStepHandler",
        used_for="submitting a step to the job server, and noting on the run whose process does it",
        instead="dagster_ray.ray_executor, and note_worker called by the stores' resource",
    ):
        from mixpeek_dagster.private_api.dagster_ray import RayStepHandler

        wanted = ["client", "env_vars", "runtime_env", "num_cpus", "num_gpus", "memory", "resources"]
        assert parameters(RayStepHandler.__init__)[1:] == wanted
        assert parameters(RayStepHandler.launch_step) == ["self", "step_handler_context"]


def test_ray_growth_of_a_cluster() -> None:
    with contract(
        "ray",
        "state.get_max_resources_from_cluster_config",
        used_for="knowing what an autoscaler may add, so that a pool asks for more than the nodes of now",
        instead="a setting of ours, or ray.util.state once it lists what an autoscaler may add",
    ):
        from ray._private.state import state

        assert parameters(state.get_max_resources_from_cluster_config) == []


def test_ray_data_pool_options() -> None:
    with contract(
        "ray",
        "options of map_batches and ActorPoolStrategy",
        used_for="a pool of workers that survive deaths, each with two pieces in hand",
        instead="DataContext.max_errored_blocks and actor_task_retry_on_errors, and one piece in hand",
    ):
        import ray.data

        pool = parameters(ray.data.ActorPoolStrategy.__init__)
        assert {"max_tasks_in_flight_per_actor", "max_concurrent_calls_per_actor", "enable_true_multi_threading"} <= {
            *pool
        }
        assert "ray_remote_args_fn" in parameters(ray.data.Dataset.map_batches)


def test_dagster_snapshot_of_a_repository() -> None:
    with contract(
        "dagster",
        "RepositorySnap.from_def",
        used_for="measuring and testing what the code location sends to the UI",
        instead="the sizes of the answers to the UI's GraphQL queries",
    ):
        from mixpeek_dagster.private_api.dagster import snapshot

        repository = dg.Definitions(jobs=[_failing_job()]).get_repository_def()
        found = snapshot(repository)
        assert [job.name for job in found.job_refs or []] == ["failing"]
        assert len(dg.serialize_value(found)) > 100


def test_qdrant_request_with_a_body_of_ours(embedded: EmbeddedStores) -> None:
    client, collection = QdrantClient(url=embedded.qdrant_url, check_compatibility=False), f"t{secrets.token_hex(6)}"
    client.create_collection(collection, {"v": models.VectorParams(size=2, distance=models.Distance.DOT)})
    body = {"points": [{"id": 1, "vector": {"v": [0.5, 0.25]}, "payload": {"a": 1}}]}
    with contract(
        "qdrant-client",
        "http.client.request",
        used_for="upserting points with the shortest digits of a float32: half the bytes, a quarter of the time",
        instead="QdrantClient.upsert, slower, or httpx.put to /collections/NAME/points with the same body",
    ):
        put_points(client, collection, json.dumps(body).encode())
        assert client.count(collection, exact=True).count == 1


def _failing_job() -> dg.JobDefinition:
    @dg.op
    def fail() -> None:
        raise ValueError("on purpose")

    return dg.GraphDefinition("failing", node_defs=[fail]).to_job()
