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


@dataclass(frozen=True)
class Needs:
    """Resources of one worker of a step.

    Args:
        cpus: CPUs.
        gpus: GPUs, or the part of one.
        most: workers at most, however big the cluster is.
    """

    cpus: float
    gpus: float = 0.0
    most: int | None = None

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

    def total(self, resource: str) -> float:
        """How much of a resource all nodes have together."""
        return sum(node.get(resource, 0.0) for node in self.nodes)


@dataclass(frozen=True)
class Pool:
    """A step's workers: how many, and what each claims."""

    size: int
    needs: Needs


def step_needs(step: Step, settings: Settings) -> Needs:
    """What each worker of a step needs: its config's `num_cpus` and `num_gpus`, else the settings'.

    An API step has one worker, which calls the provider many times at once: its limits hold for the step as a whole.

    Raises:
        SettingsError: the config holds something else than a positive number.
    """
    cpus = _number(step, "num_cpus")
    if step.resource is ResourceType.API:
        return Needs(cpus or _API_CPUS, most=1)
    needs = Needs(cpus or settings.ray_step_cpus)
    if step.resource is ResourceType.GPU and not settings.gpu_steps_on_cpu:
        return replace(needs, gpus=_number(step, "num_gpus") or settings.ray_step_gpus)
    return needs


def pool_of(step: str, needs: Needs, cluster: Cluster, pieces: int, most: int | None = None) -> Pool:
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
    caps = [cap for cap in (pieces, most, needs.most) if cap is not None]
    fitting = max(sum(_fitting(node, needs) for node in cluster.nodes), _fitting(cluster.limit, needs))
    if not fitting:
        raise StepError(f"step {step!r}", why=_why(needs, cluster), fix=_fix(needs))
    total = max(cluster.total("CPU"), cluster.limit.get("CPU", 0.0))
    if total <= _SMALL:
        claimed = needs.cpus * _SHARE if needs.cpus <= 1 else needs.cpus
        return Pool(min([*caps, fitting]), replace(needs, cpus=claimed))
    roomy = math.floor((total - _ROOM) / needs.cpus)
    return Pool(min([*caps, max(1, min(fitting, roomy))]), needs)


def _fitting(node: Mapping[str, float], needs: Needs) -> int:
    wanted = {"CPU": needs.cpus, "GPU": needs.gpus}
    return min(math.floor(node.get(name, 0.0) / amount + 1e-9) for name, amount in wanted.items() if amount)


def _number(step: Step, name: str) -> float | None:
    value: Any = step.config.get(name) if isinstance(step.config, Mapping) else getattr(step.config, name, None)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise SettingsError(f"config of step {step.name!r}", why=f"{name} is {value!r}", fix="Give a positive number")
    return float(value)


def _why(needs: Needs, cluster: Cluster) -> str:
    nodes = [f"{node.get('CPU', 0.0):g} CPU and {node.get('GPU', 0.0):g} GPU" for node in cluster.nodes]
    return f"a worker needs {needs}, and no node of the cluster has that: they have {'; '.join(nodes) or 'nothing'}"


def _fix(needs: Needs) -> str:
    if needs.gpus:
        return "Add a node with a GPU, lower MIXPEEK_RAY_STEP_GPUS, or set MIXPEEK_GPU_STEPS_ON_CPU=true"
    return "Add a larger node, or lower MIXPEEK_RAY_STEP_CPUS or the step's num_cpus"
