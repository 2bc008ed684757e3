"""Ops of a collection's `features`: shared definitions, aliased per step."""

# No postponed annotations here: Dagster reads those of ops and assets.

import functools
import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from mixpeek_dagster import ids
from mixpeek_dagster.graph import names
from mixpeek_dagster.graph.failures import user_errors
from mixpeek_dagster.graph.identity import collection_run
from mixpeek_dagster.graph.step_jobs import JOB_TAGS
from mixpeek_dagster.plugins.pipeline import ResourceType, Step

_POOLS: Mapping[ResourceType, str | None] = {
    ResourceType.CPU: None,
    ResourceType.GPU: "gpu",
    ResourceType.API: "api",
}
_SPOOLED = {"rows": dg.Out(io_manager_key=names.SPOOL_IO)}


class SelectConfig(dg.Config):
    """What a run of `features` may be told in the launchpad."""

    recompute: bool = False


@dg.op(
    name="select_rows",
    description="Filter the batch's rows, fill the plugin's input fields, and mark what is unchanged since last time.",
    ins={"blobs": dg.In()},
    out=_SPOOLED,
    required_resource_keys={names.STORES},
    tags=JOB_TAGS,
)
def select_op(context: dg.OpExecutionContext, config: SelectConfig, blobs: Any) -> Iterator[dg.Output[Any]]:
    """First op of every collection's features."""
    yield _select(context, config, blobs)


@dg.op(
    name="select_upstream_rows",
    description="The same for rows that are documents of another collection.",
    ins={"blobs": dg.In(), "upstream": dg.In(dg.Nothing)},
    out=_SPOOLED,
    required_resource_keys={names.STORES},
    tags=JOB_TAGS,
)
def chained_select_op(context: dg.OpExecutionContext, config: SelectConfig, blobs: Any) -> Iterator[dg.Output[Any]]:
    """First op of the features of a collection that another collection feeds."""
    yield _select(context, config, blobs)


@dg.op(
    name="keep_features",
    description="Check each row's vectors and keep all rows as Parquet, so that a failed write can be replayed.",
    ins={"rows": dg.In()},
    out={"features": dg.Out(io_manager_key=names.FRAMES_IO)},
    required_resource_keys={names.STORES},
    tags=JOB_TAGS,
)
def keep_op(context: dg.OpExecutionContext, rows: Any) -> Any:
    """Last op of every collection's features."""
    from mixpeek_dagster.runs.features import keep_features

    with user_errors():
        return keep_features(collection_run(context), rows)


def _select(context: dg.OpExecutionContext, config: SelectConfig, blobs: Any) -> dg.Output[Any]:
    from mixpeek_dagster.runs.selection import select_rows

    with user_errors():
        flow, metadata = select_rows(collection_run(context), blobs, recompute=config.recompute)
    return dg.Output(flow, "rows", metadata=metadata)


@functools.lru_cache(maxsize=4096)
def _shared_step_op(name: str, description: str, resource: ResourceType) -> dg.OpDefinition:
    def run_step(context: dg.OpExecutionContext, inputs: Mapping[str, Any]) -> Iterator[dg.Output[Any]]:
        from mixpeek_dagster.runs.steps import run_plugin_step

        with user_errors():
            flow, metadata = run_plugin_step(collection_run(context), context.op_handle.name, inputs["rows"])
        yield dg.Output(flow, "rows", metadata=metadata)

    return dg.OpDefinition(
        name=name,
        description=description,
        compute_fn=run_step,
        ins={"rows": dg.In()},
        outs=_SPOOLED,
        required_resource_keys={names.STORES},
        tags={"mixpeek/resource": resource.value, **_pod_tags(resource)},
        pool=_POOLS[resource],
    )


def step_op(plugin_id: str, step: Step) -> dg.OpDefinition:
    """The op definition of a step; the same object for every collection with the same step of a plugin."""
    description = step_description(step)
    digest = hashlib.sha256(f"{plugin_id}\n{description}".encode()).hexdigest()[:8]
    return _shared_step_op(ids.identifier(f"{plugin_id}__{step.name}__{digest}"), description, step.resource)


def step_description(step: Step) -> str:
    """What the UI says of a step: its docstring, where it runs and on which rows."""
    docstring = step.description or "No description: the plugin's class has no docstring."
    return f"{docstring}\n\nRuns on **{step.resource.value}** for rows that match **{step.condition.name}**."


def _pod_tags(resource: ResourceType) -> dict[str, Any]:
    """What the step's pod gets if Dagster's own executor for Kubernetes runs it; on Ray, workers say what they need."""
    requests = {"cpu": "250m" if resource is ResourceType.API else "1"}
    resources: dict[str, Any] = {"requests": requests}
    if resource is ResourceType.GPU:
        resources["limits"] = {"nvidia.com/gpu": "1"}
    return {"dagster-k8s/config": {"container_config": {"resources": resources}}}
