"""What a step's workers claim, and how many a cluster has room for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from mixpeek_dagster.errors import SettingsError, StepError
from mixpeek_dagster.plugins.pipeline import ResourceType, Step, StepDefinition, as_step
from mixpeek_dagster.settings import Settings
from mixpeek_dagster.steps.ray.needs import Cluster, WorkerNeeds, pool_of, step_needs

CPU, GPU, API = ResourceType.CPU, ResourceType.GPU, ResourceType.API


class OnAllCores:
    """Computes on up to four CPUs by itself."""

    num_cpus = 4

    def __call__(self, batch: Any) -> Any:
        return batch


def _step(resource: ResourceType, config: Any = None, target: Any = lambda batch: batch) -> Step:
    return as_step(StepDefinition(target, resource_type=resource, config=config))


def _nodes(*nodes: tuple[float, float], **limit: float) -> Cluster:
    return Cluster([{"CPU": cpus, "GPU": gpus, "memory": 1e9} for cpus, gpus in nodes], limit)


@pytest.mark.parametrize(
    ("resource", "config", "settings", "wanted"),
    [
        (CPU, None, {}, WorkerNeeds(1)),
        (CPU, {"num_cpus": 4, "num_gpus": 1}, {}, WorkerNeeds(4)),
        (CPU, SimpleNamespace(num_cpus=0.5), {"ray_step_cpus": 2}, WorkerNeeds(0.5)),
        (GPU, None, {}, WorkerNeeds(1, 1)),
        (GPU, None, {"ray_step_gpus": 0.25}, WorkerNeeds(1, 0.25)),
        (GPU, {"num_gpus": 0.5}, {"ray_step_gpus": 0.25}, WorkerNeeds(1, 0.5)),
        (GPU, {"num_gpus": 0.5}, {"gpu_steps_on_cpu": True}, WorkerNeeds(1)),
        (API, {"num_gpus": 1}, {"ray_step_cpus": 8}, WorkerNeeds(0.25, most=1)),
    ],
)
def test_a_worker_needs_what_the_step_or_the_settings_say(
    resource: ResourceType, config: Any, settings: dict[str, Any], wanted: WorkerNeeds
) -> None:
    assert step_needs(_step(resource, config), Settings(**settings)) == wanted


@pytest.mark.parametrize(
    ("resource", "config", "settings", "wanted"),
    [
        (CPU, None, {}, WorkerNeeds(4, shrinks=True)),
        (CPU, {"num_cpus": 2}, {}, WorkerNeeds(2)),
        (CPU, None, {"ray_step_cpus": 8}, WorkerNeeds(8)),
        (GPU, None, {}, WorkerNeeds(1, 1)),
        (GPU, None, {"gpu_steps_on_cpu": True}, WorkerNeeds(4, shrinks=True)),
    ],
)
def test_a_class_may_compute_on_several_cpus_where_nobody_says_how_many(
    resource: ResourceType, config: Any, settings: dict[str, Any], wanted: WorkerNeeds
) -> None:
    assert step_needs(_step(resource, config, OnAllCores), Settings(**settings)) == wanted


@pytest.mark.parametrize("value", [0, -1, "two", True])
def test_a_need_that_is_no_positive_number_is_refused(value: Any) -> None:
    with pytest.raises(SettingsError, match="num_cpus is"):
        step_needs(_step(CPU, {"num_cpus": value}), Settings())
    with pytest.raises(SettingsError, match="class of step 'Wrong': num_cpus is"):
        step_needs(_step(CPU, target=type("Wrong", (OnAllCores,), {"num_cpus": value})), Settings())


@pytest.mark.parametrize(
    ("cluster", "needs", "size", "claimed"),
    [
        (_nodes((16, 0)), WorkerNeeds(1), 15, 1),
        (_nodes((16, 0)), WorkerNeeds(4), 3, 4),
        (_nodes(*[(8, 0)] * 10), WorkerNeeds(1), 79, 1),
        (_nodes((0, 0), (3, 0), (3, 0)), WorkerNeeds(2), 2, 2),
        (_nodes((2, 0)), WorkerNeeds(1), 2, 0.9),
        (_nodes((1, 0)), WorkerNeeds(1), 1, 0.9),
        (_nodes((2, 0)), WorkerNeeds(2), 1, 1.8),
        (_nodes((16, 1)), WorkerNeeds(1, 0.25), 4, 1),
        (_nodes((16, 0), (4, 2)), WorkerNeeds(1, 1), 2, 1),
        (_nodes((16, 4)), WorkerNeeds(0.25, most=1), 1, 0.25),
    ],
)
def test_a_pool_fills_the_nodes_and_leaves_room(
    cluster: Cluster, needs: WorkerNeeds, size: int, claimed: float
) -> None:
    pool = pool_of("Embed", needs, cluster, pieces=1000)
    assert (pool.size, pool.claimed) == (size, claimed)
    assert pool.size * pool.claimed <= cluster.cpus


@pytest.mark.parametrize(
    ("cluster", "size", "threads"),
    [
        (_nodes((1, 0)), 1, 1),
        (_nodes((2, 0)), 1, 2),
        (_nodes((4, 0)), 1, 3),
        (_nodes((8, 0)), 2, 3),
        (_nodes((16, 0)), 3, 4),
        (_nodes((2, 0), (2, 0)), 3, 1),
        (_nodes(*[(8, 0)] * 10), 19, 4),
        (_nodes((2, 0), CPU=64), 15, 4),
    ],
)
def test_workers_that_compute_on_several_cpus_are_few_and_waste_little(
    cluster: Cluster, size: int, threads: int
) -> None:
    pool = pool_of("Embed", WorkerNeeds(4, shrinks=True), cluster, pieces=1000)
    assert (pool.size, pool.threads) == (size, threads)


def test_a_pool_is_no_larger_than_its_work_or_its_limit() -> None:
    assert pool_of("Embed", WorkerNeeds(1), _nodes((16, 0)), pieces=3).size == 3
    assert pool_of("Embed", WorkerNeeds(1), _nodes((16, 0)), pieces=100, most=2).size == 2


@pytest.mark.parametrize(
    ("needs", "advice"),
    [(WorkerNeeds(1, 1), "MIXPEEK_GPU_STEPS_ON_CPU"), (WorkerNeeds(8), "MIXPEEK_RAY_STEP_CPUS")],
)
def test_more_than_any_node_has_is_refused(needs: WorkerNeeds, advice: str) -> None:
    with pytest.raises(StepError, match=r"they have 4 CPU and 0 GPU; 4 CPU and 0 GPU") as caught:
        pool_of("Embed", needs, _nodes((4, 0), (4, 0)), pieces=10)
    assert advice in caught.value.fix


def test_what_an_autoscaler_may_bring_counts_as_there() -> None:
    cluster = _nodes((4, 0), CPU=64, GPU=2)
    assert pool_of("Embed", WorkerNeeds(1, 0.5), cluster, pieces=100).size == 4
    assert pool_of("Embed", WorkerNeeds(1), cluster, pieces=100).size == 63
