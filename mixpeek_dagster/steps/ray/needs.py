"""What a step's workers need, and how many of them a cluster has room for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mixpeek_dagster.errors import SettingsError, StepError
from mixpeek_dagster.plugins.pipeline import ResourceType, Step
from mixpeek_dagster.settings import Settings

_API_CPUS = 0.25
_ROOM = 1.0
"""CPUs that a step leaves free for jobs and for Ray's own tasks: a pool that held all would let nothing else start."""
_SMALL = 2.0
_SHARE = 0.9
"""Share of a worker's CPUs that is claimed on a cluster so small that a whole free CPU would be half of it."""
_USED = 0.8
"""Share of the CPUs in reach that larger workers must use; else smaller ones are taken."""


@dataclass(frozen=True)
class WorkerNeeds:
    """Resources of one worker of a step.

    Args:
        cpus: CPUs.
        gpus: GPUs, or the part of one.
        most: workers at most, however big the cluster is.
        shrinks: whether fewer CPUs do as well, down to one.
    """

    cpus: float
    gpus: float = 0.0
    most: int | None = None
    shrinks: bool = False

    def __str__(self) -> str:
        return f"{self.cpus:g} CPU" + (f" and {self.gpus:g} GPU" if self.gpus else "")


@dataclass(frozen=True)
class Cluster:
    """What a cluster has.

    Args:
        nodes: resources of each living node, such as `{"CPU": 16.0, "GPU": 1.0}`.
        limit: what its autoscaler may bring it to; empty without one.
    """

    nodes: Sequence[Mapping[str, float]]
    limit: Mapping[str, float] = field(default_factory=dict)

    @property
    def cpus(self) -> float:
        """CPUs of all nodes together, those that may still come included."""
        return max(sum(node.get("CPU", 0.0) for node in self.nodes), self.limit.get("CPU", 0.0))


@dataclass(frozen=True)
class Pool:
    """A step's workers.

    Args:
        size: how many.
        needs: what each uses.
        claimed: CPUs that Ray is asked for, for each.
    """

    size: int
    needs: WorkerNeeds
    claimed: float

    @property
    def threads(self) -> int:
        """Threads of a worker's computing libraries."""
        return max(1, math.floor(self.needs.cpus))


def step_needs(step: Step, settings: Settings) -> WorkerNeeds:
    """What each worker of a step needs: its config's `num_cpus` and `num_gpus`, else the settings'.

    Where neither says how many CPUs, a step on the CPU has one, or up to as many as its class has as `num_cpus`, which
    means that it computes on all of them by itself: few such workers hold the model less often than many.

    An API step has one worker, which calls the provider many times at once: its limits hold for the step as a whole.

    Raises:
        SettingsError: the config or the class holds something else than a positive number.
    """
    cpus = _configured(step, "num_cpus")
    if step.resource is ResourceType.API:
        return WorkerNeeds(cpus or _API_CPUS, most=1)
    cpus = cpus or settings.ray_step_cpus
    if step.resource is ResourceType.GPU and not settings.gpu_steps_on_cpu:
        return WorkerNeeds(cpus or 1, _configured(step, "num_gpus") or settings.ray_step_gpus)
    own = _number(getattr(step.target, "num_cpus", None), f"class of step {step.name!r}", "num_cpus")
    if cpus is None and own is not None:
        return WorkerNeeds(own, shrinks=own > 1)
    return WorkerNeeds(cpus or 1)


def pool_of(step: str, needs: WorkerNeeds, cluster: Cluster, pieces: int, most: int | None = None) -> Pool:
    """As many workers as there is room and work for.

    Args:
        step: its name, for the error.
        needs: what each worker needs.
        cluster: where they shall run.
        pieces: pieces of the step's rows; each goes to one worker.
        most: workers at most.

    Raises:
        StepError: no node has what one worker needs, and none will come.
    """
    if needs.shrinks:
        needs = _shrunk(needs, cluster)
    fitting = _fitting_in(cluster, needs)
    if not fitting:
        raise StepError(f"step {step!r}", why=_why(needs, cluster), fix=_fix(needs))
    caps = [cap for cap in (pieces, most, needs.most) if cap is not None]
    size = max(1, min(fitting, _with_room(cluster, needs)))
    return Pool(min([*caps, size]), needs, needs.cpus * (_SHARE if cluster.cpus <= _SMALL else 1))


def _shrunk(needs: WorkerNeeds, cluster: Cluster) -> WorkerNeeds:
    """The largest workers that use nearly as many of the cluster's CPUs as any smaller ones would."""
    sizes = [replace(needs, cpus=float(cpus)) for cpus in range(math.floor(needs.cpus), 0, -1)]
    used = [min(_fitting_in(cluster, size), _with_room(cluster, size)) * size.cpus for size in sizes]
    return next((size for size, cpus in zip(sizes, used, strict=True) if cpus >= _USED * max(used) > 0), sizes[-1])


def _with_room(cluster: Cluster, needs: WorkerNeeds) -> int:
    """How many workers leave CPUs for others, wherever those are."""
    room = 0 if cluster.cpus <= _SMALL else _ROOM
    return math.floor((cluster.cpus - room) / needs.cpus)


def _fitting_in(cluster: Cluster, needs: WorkerNeeds) -> int:
    """How many workers the nodes hold, now or when the autoscaler has brought all it may."""
    return max(sum(_fitting(node, needs) for node in cluster.nodes), _fitting(cluster.limit, needs))


def _fitting(node: Mapping[str, float], needs: WorkerNeeds) -> int:
    wanted = {"CPU": needs.cpus, "GPU": needs.gpus}
    return min(math.floor(node.get(name, 0.0) / amount + 1e-9) for name, amount in wanted.items() if amount)


def _configured(step: Step, name: str) -> float | None:
    value = step.config.get(name) if isinstance(step.config, Mapping) else getattr(step.config, name, None)
    return _number(value, f"config of step {step.name!r}", name)


def _number(value: Any, where: str, name: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise SettingsError(where, why=f"{name} is {value!r}", fix="Give a positive number")
    return float(value)


def _why(needs: WorkerNeeds, cluster: Cluster) -> str:
    nodes = [f"{node.get('CPU', 0.0):g} CPU and {node.get('GPU', 0.0):g} GPU" for node in cluster.nodes]
    return f"a worker needs {needs}, and no node of the cluster has that: they have {'; '.join(nodes) or 'nothing'}"


def _fix(needs: WorkerNeeds) -> str:
    if needs.gpus:
        return "Add a node with a GPU, lower MIXPEEK_RAY_STEP_GPUS, or set MIXPEEK_GPU_STEPS_ON_CPU=true"
    return "Add a larger node, or lower MIXPEEK_RAY_STEP_CPUS or the step's num_cpus"
