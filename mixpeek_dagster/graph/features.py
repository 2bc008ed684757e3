"""The graph-backed asset `features`: one op per step of the plugin."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster import DependencyDefinition, GraphDefinition, InputMapping, NodeInvocation, OutputMapping

from mixpeek_dagster import ids
from mixpeek_dagster.catalog.records import Collection
from mixpeek_dagster.graph import names
from mixpeek_dagster.graph.steps import chained_select_op, keep_op, select_op, step_op
from mixpeek_dagster.plugins.pipeline import Step
from mixpeek_dagster.plugins.spec import PluginSpec


def features_asset(
    *,
    namespace: str,
    collection: Collection,
    spec: PluginSpec,
    steps: tuple[Step, ...],
    blobs: dg.AssetKey,
    upstream: dg.AssetKey | None,
    partitions: dg.PartitionsDefinition[str],
    metadata: Mapping[str, Any],
) -> dg.AssetsDefinition:
    """The asset `namespace / collection / features`.

    Args:
        namespace: name of the namespace.
        collection: whose features these are.
        spec: the plugin's manifest.
        steps: the plugin's enabled steps, in order.
        blobs: asset of the bucket that the rows come from, directly or through other collections.
        upstream: documents of the collection that feeds this one, if one does.
        partitions: the bucket's batches.
        metadata: definition metadata of the asset.
    """
    key = names.features_key(namespace, collection.collection_name)
    graph = _graph(names.job_name(namespace, collection.collection_name), spec, steps, chained=upstream is not None)
    inputs = {"blobs": blobs} | ({"upstream": upstream} if upstream else {})
    return dg.AssetsDefinition.from_graph(
        graph,
        keys_by_input_name=inputs,
        keys_by_output_name={"features": key},
        partitions_def=partitions,
        group_name=names.group_name(collection.collection_name),
        descriptions_by_output_name={"features": describe(collection, spec, steps)},
        metadata_by_output_name={"features": metadata},
        tags_by_output_name={"features": {"dagster/kind/python": "", "dagster/kind/parquet": ""}},
        code_versions_by_output_name={"features": spec.code_hash[:12]},
    )


def _graph(name: str, spec: PluginSpec, steps: tuple[Step, ...], *, chained: bool) -> GraphDefinition:
    ops = {step.name: step_op(spec.plugin_id, step) for step in steps}
    select = chained_select_op if chained else select_op
    nodes: dict[NodeInvocation, Mapping[str, DependencyDefinition]] = {NodeInvocation(select.name): {}}
    previous, output = select.name, "rows"
    for step in steps:
        invocation = NodeInvocation(ops[step.name].name, alias=ids.identifier(step.name))
        nodes[invocation] = {"rows": DependencyDefinition(previous, output)}
        previous = ids.identifier(step.name)
    nodes[NodeInvocation(keep_op.name)] = {"rows": DependencyDefinition(previous, output)}
    graph_inputs = ["blobs", "upstream"] if chained else ["blobs"]
    return GraphDefinition(
        name=f"{name}__features",
        description=spec.description,
        node_defs=[select, *dict.fromkeys(ops.values()), keep_op],
        dependencies=nodes,
        input_mappings=[
            InputMapping(graph_input_name=n, mapped_node_name=select.name, mapped_node_input_name=n)
            for n in graph_inputs
        ],
        output_mappings=[
            OutputMapping(
                graph_output_name="features", mapped_node_name=keep_op.name, mapped_node_output_name="features"
            )
        ],
    )


def describe(collection: Collection, spec: PluginSpec, steps: tuple[Step, ...]) -> str:
    """Markdown of a collection's plugin, features, steps and parameters."""
    vectors = ", ".join(f"`{f.name}` ({f.dimension}, {f.distance.value.lower()})" for f in spec.features) or "none"
    rows = [f"| {step.name} | {step.resource.value} | {step.condition.name} |" for step in steps]
    parameters = json.dumps(dict(collection.parameters), sort_keys=True, default=str)
    return "\n".join(
        [
            f"Rows of **{collection.collection_name}** after the last step of plugin `{spec.plugin_id}`.",
            "",
            spec.description,
            "",
            f"Vectors: {vectors}. Parameters: `{parameters}`.",
            "",
            "| step | runs on | rows |",
            "|---|---|---|",
            *rows,
        ]
    )
