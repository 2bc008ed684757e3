"""The asset graph of the example plugins, as a reviewer reads it. `python -m tests.graph.drift` writes it anew.

Nothing is opened: the graph is compiled from records made here. Code hashes are left out, so that only what the graph
looks like counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from mixpeek_dagster import ids
from mixpeek_dagster.catalog.buckets import bucket_record
from mixpeek_dagster.catalog.catalog import namespace_record
from mixpeek_dagster.catalog.linked import linked_plugin, vector_indexes
from mixpeek_dagster.catalog.records import Bucket, Collection, Namespace, PluginReference, SourceReference, Sync
from mixpeek_dagster.errors import MixpeekError
from mixpeek_dagster.graph.collection import Compilable
from mixpeek_dagster.graph.repository import CollectionsRepository
from mixpeek_dagster.plugins.loading import load_plugin
from mixpeek_dagster.plugins.plugin import LoadedPlugin
from mixpeek_dagster.settings import Settings

SNAPSHOT = Path(__file__).with_name("graph.yaml")
COMMAND = "python -m tests.graph.drift"
_EXAMPLES = Path(__file__).parents[2] / "plugin_repo" / "examples"
_THEN = datetime(2000, 1, 1, tzinfo=UTC)
_KIND = "dagster/kind/"


@dataclass(frozen=True)
class Examples:
    """A collection for each example, broken ones included, fed by one bucket; and one that a collection feeds."""

    items: Sequence[Compilable]

    @classmethod
    def make(cls) -> Examples:
        namespace = namespace_record("default", "local", created_at=_THEN)
        bucket = bucket_record(namespace, "inbox", "mixpeek", created_at=_THEN).model_copy(update={"sync": Sync()})
        folders = sorted(path.parent for path in _EXAMPLES.glob("*/manifest.py"))
        items = [_item(namespace, bucket, folder.name, folder) for folder in folders]
        chained = _item(namespace, bucket, "chained", _EXAMPLES / "text_chunker", upstream=items[0].collection)
        return cls([*items, chained])

    def buckets(self) -> Sequence[tuple[Namespace, Bucket]]:
        return [(self.items[0].namespace, self.items[0].bucket)]

    def collections(self) -> Sequence[Compilable]:
        return self.items

    def collection(self, job_name: str) -> Compilable | None:
        return None

    def bucket(self, job_name: str) -> Sequence[Compilable]:
        return []


def drawn() -> str:
    """The graph as YAML."""
    data = CollectionsRepository(Examples.make(), Settings(ray_address=None))
    repository = dg.RepositoryDefinition("examples", repository_data=data)
    graph = {
        "assets": dict(sorted(_assets(repository))),
        "jobs": {job.name: _job(job) for job in sorted(data.get_all_jobs(), key=lambda job: job.name)},
        "sensors": {sensor.name: _sensor(sensor) for sensor in data.get_all_sensors()},
        "resources": sorted(data.get_top_level_resources()),
    }
    return str(yaml.safe_dump(graph, sort_keys=False, width=120, allow_unicode=True))


def _item(
    namespace: Namespace, bucket: Bucket, name: str, folder: Path, upstream: Collection | None = None
) -> Compilable:
    plugin: LoadedPlugin | MixpeekError
    try:
        plugin = load_plugin(folder)
        reference, vectors = linked_plugin(plugin.spec), vector_indexes(plugin.spec)
    except MixpeekError as error:
        plugin, vectors = error, ()
        reference = PluginReference(name=name, version="1.0.0", plugin_id=ids.plugin_id(name, "1.0.0"))
    if upstream:
        source = SourceReference(type="collection", collection_id=upstream.collection_id)
    else:
        source = SourceReference(type="bucket", bucket_id=bucket.bucket_id)
    collection = Collection(
        collection_id=ids.derived_id(ids.Prefix.COLLECTION, namespace.namespace_id, name),
        namespace_id=namespace.namespace_id,
        collection_name=name,
        source=source,
        plugin=reference,
        vector_indexes=vectors,
        created_at=_THEN,
    )
    return Compilable(namespace, bucket, collection, plugin, upstream=upstream.collection_name if upstream else None)


def _assets(repository: dg.RepositoryDefinition) -> Iterator[tuple[str, dict[str, Any]]]:
    for key, asset in repository.assets_defs_by_key.items():
        node = repository.asset_graph.get(key)
        described = {
            "about": _first_line(node.description),
            "fed_by": sorted(parent.to_user_string() for parent in node.parent_keys),
            "group": node.group_name,
            "kinds": sorted(node.kinds),
            "tags": {name: value for name, value in sorted(node.tags.items()) if not name.startswith(_KIND)},
            "partitions": str(node.partitions_def),
            "metadata": sorted(node.metadata),
            "ops": [_op(name, op) for name, op in _ops(asset.node_def)],
            "checks": {spec.name: dict(_check(spec)) for spec in asset.check_specs},
        }
        yield key.to_user_string(), {name: value for name, value in described.items() if value}


def _ops(node: object) -> Sequence[tuple[str, dg.OpDefinition]]:
    nodes = node.nodes_in_topological_order if isinstance(node, dg.GraphDefinition) else []
    inner = [(op.name, op.definition) for op in nodes if isinstance(op.definition, dg.OpDefinition)]
    return [(node.name, node)] if isinstance(node, dg.OpDefinition) else inner


def _op(name: str, op: dg.OpDefinition) -> dict[str, Any]:
    lines = (op.description or "").splitlines()
    described = {
        "name": name,
        "about": _first_line(op.description),
        "runs": next((line for line in lines if line.startswith("Runs on ")), None),
        "inputs": [item.name for item in op.input_defs],
        "outputs": {item.name: item.io_manager_key for item in op.output_defs if item.io_manager_key != "io_manager"},
        "tags": dict(op.tags),
        "pool": op.pool,
    }
    return {what: value for what, value in described.items() if value}


def _check(spec: dg.AssetCheckSpec) -> Iterator[tuple[str, Any]]:
    yield "about", _first_line(spec.description)
    yield "blocking", spec.blocking


def _job(job: dg.JobDefinition) -> Mapping[str, Any]:
    return {
        "about": _first_line(job.description),
        "assets": sorted(key.to_user_string() for key in job.asset_layer.selected_asset_keys),
        "executor": job.executor_def.name,
        "tags": dict(sorted(job.tags.items())),
    }


def _sensor(sensor: dg.SensorDefinition) -> Mapping[str, Any]:
    return {
        "about": _first_line(sensor.description),
        "jobs": [target.job_name for target in sensor.targets],
        "seconds": sensor.minimum_interval_seconds,
        "status": sensor.default_status.value,
    }


def _first_line(text: str | None) -> str:
    return (text or "").partition("\n")[0]


if __name__ == "__main__":
    SNAPSHOT.write_text(drawn(), encoding="utf-8")
